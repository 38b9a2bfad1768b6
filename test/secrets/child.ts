/** Starts `program.ts` in a process of its own and tells it what to do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Command =
  /** A new callback asks for a token. */
  | { do: 'fetch'; timeoutMS: number }
  /** A new callback asks for a token and is kept. */
  | { do: 'hold'; timeoutMS: number }
  /** Waits until the callback that is kept has tried to refresh its token. */
  | { do: 'refresh' }
  /** The SDK asks, without this package. */
  | { do: 'sdk' }
  /** A program that does the wrong thing: its token is in what it dies of. */
  | { do: 'leak' }
  /** What the callback fails with ends the program: nobody catches it. */
  | { do: 'crash'; timeoutMS: number }
  | { do: 'crashDriver'; timeoutMS: number; uri: string };

export interface Reply {
  /** A code, or `token`. */
  outcome: string;
  /** Everything that could be seen and was not before, in a value or an event on a channel. */
  texts: { where: string; text: string }[];
  /** How many events there were so far, by channel. */
  events: Record<string, number>;
}

export interface Program {
  tell(command: Command): Promise<Reply>;
  /** What it has written, once it has ended; `code` is 0 only for one that failed at nothing. */
  ended(): Promise<{ code: number | null; written: string }>;
  kill(): void;
}

const path = fileURLToPath(new URL('program.ts', import.meta.url));
const ambient =
  /^(AZURE_|IDENTITY_|MSI_|GOOGLE_|GCE_|GCP_|GCLOUD_|AWS_|KUBERNETES_|NODE_OPTIONS$|(HTTPS?|ALL|NO)_PROXY$)/i;

export function startProgram(
  kind: string,
  options: Record<string, string>,
  env: Readonly<Record<string, string>>,
): Program {
  const inherited = Object.entries(process.env).filter(([name]) => !ambient.test(name));
  const child: ChildProcess = spawn(process.execPath, ['--import=tsx', path], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: {
      ...Object.fromEntries(inherited),
      CLOUDSDK_CONFIG: '/nonexistent',
      ...env,
      SECRETS_PROGRAM: JSON.stringify({ kind, options }),
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let written = '';
  child.stdout?.on('data', (chunk) => {
    written += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    written += chunk;
  });
  const closed = once(child, 'close');
  return {
    async tell(command) {
      const reply = once(child, 'message');
      child.send(command);
      const ended = closed.then(([code]) => {
        throw new Error(`the program ended with ${code}:\n${written}`);
      });
      ended.catch(() => {});
      const [answer] = await Promise.race([reply, ended]);
      return answer as Reply;
    },
    async ended() {
      const [code] = await closed;
      return { code: code as number | null, written };
    },
    kill: () => child.kill('SIGKILL'),
  };
}
