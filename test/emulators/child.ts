/** Runs a program in a child process: the SDKs keep process-wide state, so each environment needs one of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface RunResult {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  env?: Record<string, string> | undefined;
  /** Standard input. */
  input?: string | undefined;
  /** The child is killed after this time. Default: 30 000. */
  timeoutMS?: number | undefined;
  /** Default: this repository. */
  cwd?: string | undefined;
}

/** How a program is started, by whatever runtime. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
}

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Variables by which a machine would tell an SDK where it runs; a test's own `env` is the only source of them. */
const ambient =
  /^(AZURE_|IDENTITY_|MSI_|GOOGLE_|GCE_|GCP_|GCLOUD_|AWS_|KUBERNETES_|MONGODB_OIDC_|NODE_OPTIONS$|(HTTPS?|ALL|NO)_PROXY$)/i;

/** The variables of a child: what this machine has, but for those, and its own. */
export function childEnvironment(own: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !ambient.test(name));
  return { ...Object.fromEntries(inherited), ...own };
}

/** A program that runs. */
export interface Running {
  readonly ended: Promise<RunResult>;
  kill(signal: NodeJS.Signals): void;
}

export function launch(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, args, {
    cwd: options.cwd ?? repository,
    env: childEnvironment(options.env),
    timeout: options.timeoutMS ?? 30_000,
    killSignal: 'SIGKILL',
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  // One that has ended already reads nothing.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const ended = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
  return { ended, kill: (signal) => child.kill(signal) };
}

export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return launch(command, args, options).ended;
}

/** Runs a module's source text with plain Node.js, from this repository; it prints one JSON value. */
export async function runModule<T>(source: string, env: Record<string, string> = {}): Promise<T> {
  const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-'], {
    env,
    input: source,
  });
  if (code !== 0) throw new Error(`child exited with ${code}:\n${stderr}`);
  return JSON.parse(stdout) as T;
}
