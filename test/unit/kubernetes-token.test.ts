import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OIDCCallback } from '../../src/callback.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { GkeCallback, KubernetesCallback } from '../../src/kubernetes-token.js';
import { readTokenFile } from '../../src/token-file.js';
import { jwt, jwtFor } from './jwts.js';
import { failureOf } from './promises.js';

vi.mock('../../src/token-file.js', { spy: true });

const STANDARD_PATH = '/var/run/secrets/kubernetes.io/serviceaccount/token';

let folder: string;
let emitWarning: ReturnType<typeof vi.spyOn>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubernetes-token-'));
  vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', undefined);
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', undefined);
  emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue();
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Options with which the next attempt would begin too late. */
function oneAttempt() {
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
  return { timeoutMS: 190 };
}

const subjectOf = (accessToken: string) =>
  (JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()) as { sub?: string }).sub;

describe.each([
  ['KubernetesCallback', KubernetesCallback],
  ['GkeCallback', GkeCallback],
])('%s', (name, Class) => {
  test('is a callback', () => {
    const callback = new Class();
    for (const type of [Class, KubernetesCallback, OIDCCallback, Function])
      expect(callback).toBeInstanceOf(type);
    expect(callback.name).toBe(name);
  });

  test('hands out the token of the file that tokenFile names, with the expiry it tells', async () => {
    const token = jwtFor(600);
    const callback = new Class({ tokenFile: write('token', `${token}\n`) });
    const result = await callback.fetch();
    expect(result.accessToken).toBe(token);
    expect(result.expiresInSeconds).toBeGreaterThan(590);
    expect(result.expiresInSeconds).toBeLessThanOrEqual(600);
  });

  test('takes tokenFile before every variable', async () => {
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', write('azure', jwt({ sub: 'azure' })));
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('aws', jwt({ sub: 'aws' })));
    const { accessToken } = await new Class({ tokenFile: write('own', jwt({ sub: 'own' })) }).fetch();
    expect(subjectOf(accessToken)).toBe('own');
  });

  test('reads the standard path of Kubernetes by default', async () => {
    vi.mocked(readTokenFile).mockResolvedValueOnce(jwt({ sub: 'standard' }));
    expect(subjectOf((await new Class().fetch()).accessToken)).toBe('standard');
    expect(readTokenFile).toHaveBeenLastCalledWith({
      path: STANDARD_PATH,
      origin: "Kubernetes' standard path",
    });
  });

  test('needs no audience', async () => {
    const callback = new Class({ tokenFile: write('token', jwt({ aud: ['whatever'] })) });
    expect(await callback.fetch()).toEqual({ accessToken: jwt({ aud: ['whatever'] }) });
  });

  test.each([
    ['a list, as Kubernetes writes it', ['mongodb']],
    ['a list with others in it', ['vault', 'mongodb']],
    ['a string', 'mongodb'],
  ])('takes a token whose audience is %s, where it holds the one asked for', async (_, aud) => {
    const tokenFile = write('token', jwt({ aud }));
    expect(await new Class({ tokenFile, audience: 'mongodb' }).fetch()).toEqual({
      accessToken: jwt({ aud }),
    });
    expect(await new Class({ tokenFile }).fetch({ tokenAudience: 'mongodb' })).toEqual({
      accessToken: jwt({ aud }),
    });
  });

  test.each([
    ['the option', { audience: 'mongodb' }, {}],
    ['TOKEN_RESOURCE', {}, { tokenAudience: 'mongodb' }],
  ])(
    'refuses a token for another audience than that of %s, naming both, the file and what to mount',
    async (_, options, context) => {
      const tokenFile = write('token', jwt({ aud: ['https://kubernetes.default.svc'] }));
      const error = (await failureOf(
        new Class({ tokenFile, ...options }).fetch(context),
      )) as OIDCCallbackError;
      expect(error.code).toBe('ERR_OIDC_AUDIENCE_MISMATCH');
      expect(error.message).toBe(
        `The token file ${tokenFile} (from the option tokenFile) has a token for 'https://kubernetes.default.svc', and 'mongodb' was asked for. Mount a projected service-account token with \`audience: mongodb\`, and name its path in \`tokenFile\`; or, if the server expects the other one, set \`audience\` to that.`,
      );
      expect(emitWarning).not.toHaveBeenCalled();
    },
  );

  test('tries again where the file cannot be read: the kubelet may just be writing it', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    vi.mocked(readTokenFile).mockRejectedValueOnce(new OIDCCallbackError('ERR_OIDC_TOKEN_FILE', 'is empty'));
    expect(await new Class({ tokenFile: write('token', jwt()) }).fetch()).toEqual({ accessToken: jwt() });
  });

  test('names a file that is missing, and where its path came from', async () => {
    const tokenFile = join(folder, 'none');
    const error = await failureOf(new Class({ tokenFile, ...oneAttempt() }).fetch());
    expect(error).toMatchObject({
      code: 'ERR_OIDC_TOKEN_FILE',
      message: expect.stringContaining(`${tokenFile} (from the option tokenFile) does not exist`),
    });
  });

  test('says which file holds no JSON Web Token', async () => {
    const tokenFile = write('token', 'a.b');
    const error = await failureOf(new Class({ tokenFile, ...oneAttempt() }).fetch());
    expect(error).toMatchObject({
      code: 'ERR_OIDC_TOKEN_INVALID',
      message: expect.stringContaining(tokenFile),
    });
  });

  test('reads the file again after invalidate(), as the kubelet rewrites it', async () => {
    const tokenFile = write('token', jwtFor(600, { sub: 'one' }));
    const callback = new Class({ tokenFile });
    expect(subjectOf((await callback.fetch()).accessToken)).toBe('one');
    write('token', jwtFor(600, { sub: 'two' }));
    expect(subjectOf((await callback.fetch()).accessToken)).toBe('one');
    callback.invalidate();
    expect(subjectOf((await callback.fetch()).accessToken)).toBe('two');
  });
});

test('the file is looked at again at least hourly, however long its token lives', async () => {
  vi.useFakeTimers();
  try {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const token = jwtFor(365 * 86_400);
    const read = vi.mocked(readTokenFile).mockClear().mockResolvedValue(token);
    const callback = new KubernetesCallback({ tokenFile: 'token' });
    await callback.fetch();
    expect(read).toHaveBeenCalledTimes(1);
    for (let hours = 1; hours <= 3; hours++) {
      await vi.advanceTimersByTimeAsync(3_600_000 - 1);
      expect(read).toHaveBeenCalledTimes(2 * hours - 1);
      await vi.advanceTimersByTimeAsync(1);
      // Twice, since it is the same.
      expect(read).toHaveBeenCalledTimes(2 * hours + 1);
    }
    callback.invalidate();
  } finally {
    vi.mocked(readTokenFile).mockRestore();
    vi.useRealTimers();
  }
});

describe('without tokenFile, KubernetesCallback', () => {
  test('takes AZURE_FEDERATED_TOKEN_FILE before AWS_WEB_IDENTITY_TOKEN_FILE, as the driver does', async () => {
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('aws', jwt({ sub: 'aws' })));
    expect(subjectOf((await new KubernetesCallback().fetch()).accessToken)).toBe('aws');
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', write('azure', jwt({ sub: 'azure' })));
    expect(subjectOf((await new KubernetesCallback().fetch()).accessToken)).toBe('azure');
  });

  test('ignores variables that are empty', async () => {
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', '');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('aws', jwt({ sub: 'aws' })));
    expect(subjectOf((await new KubernetesCallback().fetch()).accessToken)).toBe('aws');
  });

  test.each(['AZURE_FEDERATED_TOKEN_FILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'])(
    'names the variable %s in its errors',
    async (name) => {
      vi.stubEnv(name, folder);
      const error = await failureOf(new KubernetesCallback(oneAttempt()).fetch());
      expect(error).toMatchObject({
        code: 'ERR_OIDC_TOKEN_FILE',
        message: expect.stringContaining(`${folder} (from the variable ${name}) is a directory`),
      });
    },
  );

  test('looks at the variables at each fetch', async () => {
    const callback = new KubernetesCallback();
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('one', jwt({ sub: 'one' })));
    expect(subjectOf((await callback.fetch()).accessToken)).toBe('one');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('two', jwt({ sub: 'two' })));
    callback.invalidate();
    expect(subjectOf((await callback.fetch()).accessToken)).toBe('two');
  });
});

test('GkeCallback takes no variable for its default', async () => {
  vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', write('azure', jwt()));
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', write('aws', jwt()));
  vi.mocked(readTokenFile).mockResolvedValueOnce(jwt({ sub: 'standard' }));
  expect(subjectOf((await new GkeCallback().fetch()).accessToken)).toBe('standard');
  expect(readTokenFile).toHaveBeenLastCalledWith(expect.objectContaining({ path: STANDARD_PATH }));
});

describe('a token that others take, too', () => {
  /** A copy of the module in which nothing was warned of yet. */
  async function freshFetch(claims: object, options: object = {}) {
    vi.resetModules();
    const { KubernetesCallback: Fresh } = await import('../../src/kubernetes-token.js');
    const tokenFile = write('token', jwt(claims));
    return { fetch: () => new Fresh({ tokenFile, ...options }).fetch(), tokenFile };
  }

  test.each<[what: string, claims: { aud: string | string[]; iss?: string }, named: string]>([
    ['AWS', { aud: 'sts.amazonaws.com' }, 'sts.amazonaws.com'],
    ['AWS in China', { aud: ['sts.amazonaws.com.cn'] }, 'sts.amazonaws.com.cn'],
    ['Entra', { aud: ['api://AzureADTokenExchange'] }, 'api://AzureADTokenExchange'],
    [
      'a sovereign cloud of Entra',
      { aud: ['api://AzureADTokenExchangeUSGov'] },
      'api://AzureADTokenExchangeUSGov',
    ],
    [
      'Google Cloud',
      { aud: ['https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k'] },
      'https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k',
    ],
    [
      'the API server',
      { aud: ['https://kubernetes.default.svc.cluster.local'] },
      'https://kubernetes.default.svc.cluster.local',
    ],
    [
      'the API server, by its short name',
      { aud: ['https://kubernetes.default.svc'] },
      'https://kubernetes.default.svc',
    ],
    [
      'the API server, by its shortest name',
      { aud: ['https://kubernetes.default'] },
      'https://kubernetes.default',
    ],
    [
      'the API server of GKE',
      { aud: ['https://container.googleapis.com/v1/projects/p/locations/l/clusters/c'] },
      'https://container.googleapis.com/v1/projects/p/locations/l/clusters/c',
    ],
    [
      'the issuer, which is the API server of others',
      { iss: 'https://oidc.eks.example/id/1', aud: ['https://oidc.eks.example/id/1'] },
      'https://oidc.eks.example/id/1',
    ],
    ['MongoDB and another', { aud: ['mongodb', 'sts.amazonaws.com'] }, 'sts.amazonaws.com'],
  ])('causes a warning: %s', async (_, claims, named) => {
    const { fetch, tokenFile } = await freshFetch(claims);
    await fetch();
    expect(emitWarning).toHaveBeenCalledOnce();
    const [message, options] = emitWarning.mock.calls[0] as unknown as [string, object];
    expect(message).toContain(`The token in ${tokenFile} is for '${named}', not for MongoDB alone`);
    expect(message).toMatch(/projected volume \(serviceAccountToken.*expirationSeconds\).*tokenFile/);
    expect(options).toEqual({ type: 'SecurityWarning', code: 'OIDC_TOKEN_FOR_OTHERS' });
  });

  test('causes it where that audience was asked for, too', async () => {
    await (await freshFetch({ aud: 'sts.amazonaws.com' }, { audience: 'sts.amazonaws.com' })).fetch();
    expect(emitWarning).toHaveBeenCalledOnce();
  });

  test('causes it once in a process', async () => {
    const { fetch } = await freshFetch({ aud: 'sts.amazonaws.com' });
    for (let count = 0; count < 3; count++) await fetch();
    expect(emitWarning).toHaveBeenCalledOnce();
  });

  test.each<[what: string, claims: object]>([
    ['for MongoDB', { iss: 'https://issuer.example', aud: ['mongodb'] }],
    ['for MongoDB at an address', { aud: ['https://mongodb.example.com'] }],
    ['without audience and issuer', {}],
    [
      'for an audience that only ends like one',
      { aud: ['not-sts.amazonaws.com', 'https://x.example/api://AzureADTokenExchange'] },
    ],
    [
      'for an audience that only begins like one',
      { aud: ['sts.amazonaws.com.example', 'https://kubernetes.defaults.example'] },
    ],
  ])('is not one %s', async (_, claims) => {
    await (await freshFetch(claims)).fetch();
    expect(emitWarning).not.toHaveBeenCalled();
  });
});
