/** A projected service-account token, in a directory as the kubelet keeps it. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startIssuer } from './issuer.js';

export interface TokenDirectoryOptions {
  /** The cluster's issuer URL. */
  issuer?: string | undefined;
  /** Default: the API server's, as in the token that every pod has. */
  audience?: string | string[] | undefined;
  /** Default: `system:serviceaccount:default:app`. */
  subject?: string | undefined;
  /** Default: 3600. */
  lifeSeconds?: number | undefined;
}

export interface KubernetesTokens {
  /** The token file that a pod is given. */
  readonly path: string;
  readonly issuer: string;
  readonly jwksUri: string;
  readonly subject: string;
  readonly audience: readonly string[];
  /** Variables under which the driver and this package find the file (those of Amazon EKS). */
  readonly env: Record<string, string>;
  /** Life of the next token. */
  lifeSeconds: number;
  /** A fresh token, not written. */
  issue(): Promise<string>;
  /** Writes a fresh token as the kubelet does, and returns it. */
  rotate(): Promise<string>;
  /** Puts any content in its place, by the same symlink swap. */
  write(content: string): Promise<void>;
  close(): Promise<void>;
}

const apiServer = 'https://kubernetes.default.svc.cluster.local';

export async function createTokenDirectory(options: TokenDirectoryOptions = {}): Promise<KubernetesTokens> {
  const subject = options.subject ?? 'system:serviceaccount:default:app';
  const [, , namespace = 'default', serviceAccount = 'app'] = subject.split(':');
  const audience = [options.audience ?? apiServer].flat();
  const issuer = await startIssuer({ issuer: options.issuer ?? apiServer });
  const directory = await mkdtemp(join(tmpdir(), 'emulator-token-'));
  const uids = { pod: randomUUID(), serviceaccount: randomUUID(), node: randomUUID() };

  const tokens: KubernetesTokens = {
    path: join(directory, 'token'),
    issuer: issuer.issuer,
    jwksUri: issuer.jwksUri,
    subject,
    audience,
    env: { AWS_WEB_IDENTITY_TOKEN_FILE: join(directory, 'token') },
    lifeSeconds: options.lifeSeconds ?? 3600,

    // kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin, "Schema for service account private claims"
    issue: () =>
      issuer.sign(
        {
          aud: audience,
          sub: subject,
          'kubernetes.io': {
            namespace,
            node: { name: 'node-1', uid: uids.node },
            pod: { name: `${serviceAccount}-0`, uid: uids.pod },
            serviceaccount: { name: serviceAccount, uid: uids.serviceaccount },
          },
        },
        { lifeSeconds: tokens.lifeSeconds },
      ),

    async rotate() {
      const token = await tokens.issue();
      await tokens.write(token);
      return token;
    },

    write: (content) => atomicWrite(directory, content),

    async close() {
      await issuer.close();
      await rm(directory, { recursive: true, force: true });
    },
  };

  await tokens.rotate();
  return tokens;
}

let writes = 0;

/** The steps of the kubelet's atomic writer (k8s.io/kubernetes/pkg/volume/util/atomic_writer.go). */
async function atomicWrite(directory: string, content: string): Promise<void> {
  const data = join(directory, '..data');
  const previous = await readlink(data).catch(() => undefined);
  const time = new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_');
  const next = `..${time}.${String(++writes).padStart(9, '0')}`;
  await mkdir(join(directory, next));
  await writeFile(join(directory, next, 'token'), content, { mode: 0o644 });
  await symlink(next, join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), data);
  if (previous === undefined) await symlink(join('..data', 'token'), join(directory, 'token'));
  else await rm(join(directory, previous), { recursive: true, force: true });
}
