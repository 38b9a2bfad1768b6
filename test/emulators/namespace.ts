/**
 * Runs a script in a network of its own, where the cloud's fixed addresses can be taken: 169.254.169.254 is an
 * address of its loopback interface, and the names of Google's metadata server lead there.
 */
import { type RunOptions, type RunResult, run } from './child.js';

const setUp = [
  'ip link set lo up',
  'ip addr add 169.254.169.254/32 dev lo',
  'hosts=$(mktemp)',
  'printf "127.0.0.1 localhost\\n169.254.169.254 metadata metadata.google.internal\\n" > "$hosts"',
  'mount --bind "$hosts" /etc/hosts',
  // The mount keeps the file alive, within this namespace alone.
  'rm "$hosts"',
].join(' && ');

const unshare = [
  ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
  '--net',
  '--mount',
  'sh',
  '-c',
  `${setUp} && exec "$@"`,
  'sh',
];

/** Why namespaces cannot be made here; undefined where they can. */
export async function namespaceObstacle(): Promise<string | undefined> {
  try {
    const { code, stderr } = await run('unshare', [...unshare, 'true']);
    return code === 0 ? undefined : `unshare: ${stderr.trim()}`;
  } catch (error) {
    return `unshare: ${(error as Error).message}`;
  }
}

/** Runs a TypeScript file in a namespace. Port 80 can be listened on. */
export function runInNamespace(
  script: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  options: RunOptions = {},
): Promise<RunResult> {
  return run('unshare', [...unshare, process.execPath, '--import=tsx', script, ...args], { ...options, env });
}
