// A person's login on a laptop: the real SDK, which runs `az` and `azd` as commands; here they are scripts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../emulators/child.js';
import { answer, writeCommand } from '../emulators/command.js';
import { startGcpIam } from '../emulators/gcp.js';
import { jwtFor } from '../unit/jwts.js';

const program = `
  import { EnvironmentCallback } from 'mongodb-workload-identity';
  const callback = new EnvironmentCallback({ audience: 'api://mongodb', ...JSON.parse(process.env.OPTIONS) });
  try {
    const { accessToken } = await callback.fetch({ username: 'a client ID that is not for a person' });
    console.log(JSON.stringify({ token: accessToken }));
  } catch ({ code, message }) {
    console.log(JSON.stringify({ code, message }));
  }
  process.exit();
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'laptop-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Puts a command there that writes down how it was called. */
function install(name: string, lines: readonly string[]): Promise<void> {
  return writeCommand(join(folder, name), [`echo "$0 $*" >> ${folder}/calls`, ...lines]);
}

const refuse = (text: string) => [`echo "${text}" >&2`, 'exit 1'];

async function fetchToken(options: object = {}, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], {
    env: {
      MONGODB_OIDC_ENVIRONMENT: 'developer',
      OPTIONS: JSON.stringify(options),
      ...env,
      PATH: `${folder}:/usr/bin:/bin`,
    },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as { token?: string; code?: string; message?: string };
}

describe('the login of az', () => {
  it('gives the token', async () => {
    const token = jwtFor(3600, { aud: 'api://mongodb' });
    const expiresOn = Math.floor(Date.now() / 1000) + 3600;
    await install('az', answer({ accessToken: token, expires_on: expiresOn, tokenType: 'Bearer' }));
    await install('azd', refuse('not to be asked'));
    expect(await fetchToken()).toEqual({ token });
  });

  it('gives way to that of azd where there is none', async () => {
    const token = jwtFor(3600, { aud: 'api://mongodb' });
    await install('az', refuse("ERROR: Please run 'az login' to setup account."));
    await install('azd', answer({ token, expiresOn: new Date(Date.now() + 3_600_000).toISOString() }));
    expect(await fetchToken()).toEqual({ token });
  });

  it('is asked for by name where neither has one', async () => {
    await install('az', refuse("ERROR: Please run 'az login' to setup account."));
    await install('azd', refuse("not logged in, run 'azd auth login' to login"));
    expect(await fetchToken()).toEqual({
      code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
      message: expect.stringMatching(/run `az login` \(or `azd auth login`\).+gcloud.+targetPrincipal/),
    });
  });

  it('is asked for where neither is installed', async () => {
    expect(await fetchToken()).toMatchObject({ code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE' });
  });

  it('that Entra refuses the audience says so', async () => {
    await install(
      'az',
      refuse('ERROR: AADSTS500011: The resource principal named api://mongodb was not found'),
    );
    await install('azd', refuse('not to be asked'));
    expect(await fetchToken()).toEqual({
      code: 'ERR_OIDC_ACCESS_DENIED',
      message: expect.stringContaining("no token for the audience 'api://mongodb'"),
    });
  });
});

describe('the login of gcloud', () => {
  it('impersonates the service account', async () => {
    const targetPrincipal = 'orders@project-1.iam.gserviceaccount.com';
    const iam = await startGcpIam({ serviceAccounts: [{ email: targetPrincipal, uniqueId: '1001' }] });
    try {
      const { token } = await fetchToken(
        { targetPrincipal },
        { ...iam.env, GOOGLE_APPLICATION_CREDENTIALS: iam.userFile },
      );
      const [, claims = ''] = `${token}`.split('.');
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
        aud: 'api://mongodb',
        email: targetPrincipal,
      });
    } finally {
      await iam.close();
    }
  });
});
