// Places that only examples run in.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultTenantId } from '../emulators/azure.js';
import { answer, writeCommand } from '../emulators/command.js';
import { startGcpIam } from '../emulators/gcp.js';
import { startIssuer } from '../emulators/issuer.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { podWithVolume, type Source, type StartSource } from '../ways/sources.js';

/** The object ID of somebody in Entra. */
export const person = '0b3f1c1e-5d0a-4a55-9d2e-3c1f9b7d6a10';
export const spiffeId = 'spiffe://example.org/ns/shop/sa/orders';
export const googleServiceAccount = {
  email: 'orders@project-1.iam.gserviceaccount.com',
  uniqueId: '100000000000000000021',
};

/** Where `az login` was done. */
export const laptopWithAz: StartSource = (audience, lifeSeconds) =>
  withIssuer(`https://sts.windows.net/${defaultTenantId}/`, audience, async (issuer, folder) => {
    const token = await issuer.sign({ aud: audience, sub: person, oid: person }, { lifeSeconds });
    const expiresOn = Math.floor(Date.now() / 1000) + lifeSeconds;
    await writeCommand(
      join(folder, 'az'),
      answer({ accessToken: token, expires_on: expiresOn, tokenType: 'Bearer' }),
    );
    return { PATH: `${folder}:/usr/bin:/bin`, MONGODB_OIDC_ENVIRONMENT: 'developer' };
  });

/** Where `gcloud auth application-default login` was done by somebody who may make ID tokens of the account. */
export const laptopWithGcloud: StartSource = async (audience, lifeSeconds) => {
  const iam = await startGcpIam({ lifeSeconds, serviceAccounts: [googleServiceAccount] });
  return {
    env: {
      ...iam.env,
      GOOGLE_APPLICATION_CREDENTIALS: iam.userFile,
      MONGODB_OIDC_ENVIRONMENT: 'developer',
      GOOGLE_TARGET_PRINCIPAL: googleServiceAccount.email,
    },
    parameters: {},
    provider: { issuer: iam.issuer, jwksUri: iam.jwksUri, audience, authNamePrefix: 'gcp' },
    requests: iam.requests,
    isTokenRequest: () => true,
    close: () => iam.close(),
  };
};

/** Where a command prints tokens, for this audience alone. */
export const commandLine: StartSource = (audience, lifeSeconds) =>
  withIssuer('https://tokens.example.com', audience, async (issuer, folder) => {
    const token = await issuer.sign({ aud: audience, sub: 'orders' }, { lifeSeconds });
    const command = join(folder, 'print-token');
    await writeCommand(command, [`[ "$*" = '${audience}' ] && echo ${token}`]);
    return { TOKEN_COMMAND: command };
  });

/** Where SPIFFE's helper keeps a JWT-SVID in a file. */
export const spiffeHelper: StartSource = (audience, lifeSeconds) =>
  withIssuer('https://spire.example.org', audience, async (issuer, folder) => {
    const file = join(folder, 'mongodb.jwt');
    await writeFile(file, await issuer.sign({ aud: [audience], sub: spiffeId }, { lifeSeconds }));
    return { JWT_SVID: file };
  });

/** A pod of EKS with an IAM role, whose token for AWS is in a variable, and with a volume. */
export const eksPod: StartSource = async (audience, lifeSeconds) => {
  const pod = await podWithVolume(audience, lifeSeconds);
  const forAws = await createTokenDirectory({ audience: 'sts.amazonaws.com' });
  return {
    ...pod,
    env: { ...forAws.env, KUBERNETES_SERVICE_HOST: '10.0.0.1' },
    async close() {
      await Promise.all([pod.close(), forAws.close()]);
    },
  };
};

type Issuer = Awaited<ReturnType<typeof startIssuer>>;

/** With an issuer and a folder of its own; `prepare` returns the variables. */
async function withIssuer(
  issuer: string,
  audience: string,
  prepare: (issuer: Issuer, folder: string) => Promise<Record<string, string>>,
): Promise<Source> {
  const started = await startIssuer({ issuer });
  const folder = await mkdtemp(join(tmpdir(), 'place-'));
  return {
    env: await prepare(started, folder),
    parameters: {},
    provider: { issuer, jwksUri: started.jwksUri, audience, authNamePrefix: 'test' },
    requests: undefined,
    isTokenRequest: () => false,
    async close() {
      await Promise.all([started.close(), rm(folder, { recursive: true })]);
    },
  };
}
