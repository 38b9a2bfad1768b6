import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OIDCCallback } from '../../src/callback.js';
import { detect } from '../../src/detection.js';
import { callbackOf } from '../../src/environment.js';
import { EnvironmentCallback, type EnvironmentCallbackOptions } from '../../src/environment-callback.js';
import { OIDCCallbackError } from '../../src/errors.js';
import { jwtFor } from './jwts.js';
import { failureOf } from './promises.js';

vi.mock('../../src/detection.js', { spy: true });
vi.mock('../../src/environment.js', { spy: true });

const found = vi.mocked(detect);
const made = vi.mocked(callbackOf);
const place = { name: 'Cloud Run', environment: 'gcp', sign: 'K_SERVICE is set' } as const;
const callbacks: OIDCCallback[] = [];

class FakeCallback extends OIDCCallback {
  readonly getToken = vi.fn(async () => ({ token: jwtFor(3600) }));
}

beforeEach(() => {
  vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', undefined);
  found.mockReset().mockResolvedValue(place);
  made.mockReset().mockImplementation(() => new FakeCallback());
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const callback of callbacks.splice(0)) callback.invalidate();
});

function callbackWith(options?: EnvironmentCallbackOptions): EnvironmentCallback {
  const callback = new EnvironmentCallback(options);
  callbacks.push(callback);
  return callback;
}

describe('it finds out where it runs', () => {
  test('on the first fetch, not before', async () => {
    const callback = callbackWith({ audience: 'a' });
    expect(found).not.toHaveBeenCalled();
    await callback.fetch();
    expect(found).toHaveBeenCalledExactlyOnceWith(
      { env: process.env, root: '/', askMetadataServer: expect.any(Function) },
      'a',
    );
    expect(made).toHaveBeenCalledExactlyOnceWith('gcp', { tokenFile: undefined });
  });

  test('once for each audience', async () => {
    const callback = callbackWith();
    await callback.fetch({ tokenAudience: 'a' });
    callback.invalidate();
    await callback.fetch({ tokenAudience: 'a' });
    await callback.fetch({ tokenAudience: 'b' });
    expect(found.mock.calls.map(([, audience]) => audience)).toEqual(['a', 'b']);
  });

  test('again after it could not', async () => {
    found.mockRejectedValueOnce(new OIDCCallbackError('ERR_OIDC_ENVIRONMENT_UNKNOWN', 'no'));
    const callback = callbackWith({ audience: 'a' });
    await expect(callback.fetch()).rejects.toMatchObject({ code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN' });
    callback.invalidate();
    await expect(callback.fetch()).resolves.toHaveProperty('accessToken');
  });

  test('and uses the token file that was found', async () => {
    found.mockResolvedValue({ ...place, environment: 'k8s', tokenFile: '/t' });
    await callbackWith({ audience: 'a' }).fetch();
    expect(made).toHaveBeenCalledExactlyOnceWith('k8s', { tokenFile: '/t' });
  });

  test('and asks there for what it was asked for', async () => {
    const fake = new FakeCallback();
    made.mockReturnValue(fake);
    await callbackWith({ audience: 'a' }).fetch({ username: 'u' });
    expect(fake.getToken).toHaveBeenCalledExactlyOnceWith({
      audience: 'a',
      username: 'u',
      signal: expect.any(AbortSignal),
      skipCache: false,
    });
  });

  test('but for no audience it looks nowhere', async () => {
    await expect(callbackWith().fetch()).rejects.toMatchObject({ code: 'ERR_OIDC_AUDIENCE_MISSING' });
    expect(found).not.toHaveBeenCalled();
  });
});

describe('it is told', () => {
  test.each(['azure', 'gcp', 'k8s', 'developer'] as const)('by the option that this is %s', async (name) => {
    vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', 'nonsense');
    await callbackWith({ audience: 'a', environment: name }).fetch();
    expect(made).toHaveBeenCalledExactlyOnceWith(name, { targetPrincipal: undefined });
    expect(found).not.toHaveBeenCalled();
  });

  test('by MONGODB_OIDC_ENVIRONMENT, which is read on the first fetch', async () => {
    const callback = callbackWith({ audience: 'a', targetPrincipal: 'a@b' });
    vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', ' developer ');
    await callback.fetch();
    expect(made).toHaveBeenCalledExactlyOnceWith('developer', { targetPrincipal: 'a@b' });
    expect(found).not.toHaveBeenCalled();
  });

  test('k8s without an audience', async () => {
    await callbackWith({ environment: 'k8s' }).fetch();
    expect(made).toHaveBeenCalledExactlyOnceWith('k8s', { targetPrincipal: undefined });
  });

  test.each(['', '  '])('nothing by MONGODB_OIDC_ENVIRONMENT=%j', async (value) => {
    vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', value);
    await callbackWith({ audience: 'a' }).fetch();
    expect(found).toHaveBeenCalledOnce();
  });

  test.each(['aws', 'Azure', '__proto__', 'toString'])(
    'nothing known by MONGODB_OIDC_ENVIRONMENT=%s, which is an error that names those that are',
    async (value) => {
      vi.stubEnv('MONGODB_OIDC_ENVIRONMENT', value);
      const failure = await failureOf(callbackWith({ audience: 'a' }).fetch());
      expect(failure).toMatchObject({ code: 'ERR_OIDC_ENVIRONMENT_UNKNOWN' });
      expect((failure as Error).message).toMatch(/azure, gcp, k8s.+developer/);
      expect(found).not.toHaveBeenCalled();
    },
  );
});

test.each([
  [{ environment: 'aws' }, /'environment' must be azure, gcp, k8s/],
  [{ environment: null }, /'environment' must be/],
  [{ environment: 'toString' }, /'environment' must be/],
  [{ targetPrincipal: 1 }, /'targetPrincipal' must be a string/],
  [{ clientId: 'a' }, /'clientId' is not known/],
])('%j is refused at once', (options, message) => {
  const make = () => callbackWith(options as EnvironmentCallbackOptions);
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_OIDC_INVALID_OPTION' }));
});
