import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isTransient, OIDCCallbackError } from '../../src/errors.js';
import { requireDirect } from '../../src/proxy.js';

const IMDS = 'http://169.254.169.254';
const METADATA_SERVER = 'http://metadata.google.internal';
const PROXY = 'http://proxy.example:3128';
const NAMES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'];

beforeEach(() => {
  for (const name of NAMES.flatMap((upper) => [upper, upper.toLowerCase()])) vi.stubEnv(name, undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function set(variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

function failureOf(action: () => unknown): OIDCCallbackError {
  try {
    action();
  } catch (error) {
    if (error instanceof OIDCCallbackError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

const proxied = (url: string, sdk: 'azure' | 'google' = 'azure') => {
  try {
    requireDirect(url, sdk);
    return false;
  } catch (error) {
    return (error as OIDCCallbackError).code === 'ERR_OIDC_METADATA_PROXIED';
  }
};

describe('a metadata request', () => {
  test('goes its way where no proxy variable is set', () => {
    expect(proxied(IMDS, 'azure')).toBe(false);
    expect(proxied(IMDS, 'google')).toBe(false);
  });

  test('goes its way where proxy variables are empty', () => {
    set({ HTTP_PROXY: '', http_proxy: '', HTTPS_PROXY: '', ALL_PROXY: '' });
    expect(proxied(IMDS, 'azure')).toBe(false);
    expect(proxied(IMDS, 'google')).toBe(false);
  });

  test.each(['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'])(
    'is refused with both SDKs where %s is set',
    (name) => {
      set({ [name]: PROXY });
      for (const sdk of ['azure', 'google'] as const) {
        expect(failureOf(() => requireDirect(IMDS, sdk)).message).toContain(`${name} is set`);
      }
    },
  );

  test.each(['ALL_PROXY', 'all_proxy'])(
    'is refused where %s is set with the Azure SDK, which alone reads it',
    (name) => {
      set({ [name]: PROXY });
      expect(failureOf(() => requireDirect(IMDS, 'azure')).message).toContain(`${name} is set`);
      expect(proxied(IMDS, 'google')).toBe(false);
    },
  );

  test('is refused where the variable for https is set, although the request is none: the SDKs do not care', () => {
    set({ HTTPS_PROXY: PROXY });
    expect(proxied('http://127.0.0.1:41234/msi/token', 'azure')).toBe(true);
    expect(proxied('https://10.0.0.4:2377/metadata/identity/oauth2/token', 'azure')).toBe(true);
  });

  test('goes its way where its address is no URL: the SDK says what is wrong with it', () => {
    set({ HTTP_PROXY: PROXY });
    expect(proxied('not a URL')).toBe(false);
  });
});

describe('the error', () => {
  test('names the variable and the address, says that nothing was sent, and gives the line to set', () => {
    set({ HTTP_PROXY: PROXY });
    const error = failureOf(() => requireDirect(`${IMDS}/metadata/identity`, 'azure'));
    expect(error.code).toBe('ERR_OIDC_METADATA_PROXIED');
    expect(error.message).toBe(
      'HTTP_PROXY is set, and the SDK would send the request for the identity endpoint at 169.254.169.254 to that proxy, whose answer would be taken for a token. Nothing was sent. Before the program starts, set NO_PROXY=169.254.169.254',
    );
    expect(isTransient(error)).toBe(false);
  });

  test('keeps what NO_PROXY holds already in the line to set', () => {
    set({ HTTP_PROXY: PROXY, NO_PROXY: 'localhost,.corp.example' });
    expect(failureOf(() => requireDirect(IMDS, 'azure')).message).toMatch(
      /set NO_PROXY=localhost,\.corp\.example,169\.254\.169\.254$/,
    );
  });

  test('keeps what no_proxy holds in it, too', () => {
    set({ HTTP_PROXY: PROXY, no_proxy: 'localhost' });
    expect(failureOf(() => requireDirect(IMDS, 'azure')).message).toMatch(/NO_PROXY=localhost,169\.254/);
  });

  test('adds the other names of the same server', () => {
    set({ HTTP_PROXY: PROXY });
    expect(failureOf(() => requireDirect(IMDS, 'google', ['metadata.google.internal'])).message).toMatch(
      /set NO_PROXY=169\.254\.169\.254,metadata\.google\.internal$/,
    );
  });

  test('gives a line that helps', () => {
    set({ HTTP_PROXY: PROXY, NO_PROXY: 'localhost' });
    const line = /NO_PROXY=(.*)$/.exec(failureOf(() => requireDirect(IMDS, 'azure')).message)?.[1] ?? '';
    set({ NO_PROXY: line });
    expect(proxied(IMDS, 'azure')).toBe(false);
    expect(proxied(IMDS, 'google')).toBe(false);
  });

  test('says nothing of the password that a proxy may have', () => {
    set({ HTTP_PROXY: 'http://user:s3cret@proxy.example:3128' });
    expect(failureOf(() => requireDirect(IMDS, 'azure')).message).not.toMatch(/s3cret|user/);
  });
});

describe.each(['NO_PROXY', 'no_proxy'])('%s exempts an address', (name) => {
  beforeEach(() => set({ HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY }));

  test.each([
    ['that it names', IMDS, '169.254.169.254'],
    ['in a list', IMDS, 'localhost,169.254.169.254,example.com'],
    ['in a list with spaces', IMDS, ' localhost , 169.254.169.254 ,example.com'],
    ['after empty places of a list', IMDS, ',, ,169.254.169.254,'],
    ['whatever port and path it has', 'http://169.254.169.254:8080/metadata?x=y', '169.254.169.254'],
    ['by name', METADATA_SERVER, 'metadata.google.internal'],
    ['by the end of its name, from a dot on', METADATA_SERVER, '.google.internal'],
    ['by the last label of its name', METADATA_SERVER, '.internal'],
    ['as a URL writes it: IPv6 in brackets', 'http://[fd00:ec2::254]/x', '[fd00:ec2::254]'],
    ['in lower case, as a URL reads it', 'http://Metadata.Google.Internal/', 'metadata.google.internal'],
  ])('%s', (_, url, list) => {
    set({ [name]: list });
    expect(proxied(url, 'azure')).toBe(false);
    expect(proxied(url, 'google')).toBe(false);
  });

  test.each([
    ['by a range', IMDS, '169.254.0.0/16'],
    ['by a range of one', IMDS, '169.254.169.254/32'],
    ['by *', IMDS, '*'],
    ['by a * in a name, which one SDK does not know', METADATA_SERVER, '*.google.internal'],
    ['by a part of it', IMDS, '169.254'],
    ['by the beginning of its name', METADATA_SERVER, 'metadata'],
    ['by the end of its name without a dot', METADATA_SERVER, 'google.internal'],
    [
      'by a dot before its whole name, which one SDK does not know',
      METADATA_SERVER,
      '.metadata.google.internal',
    ],
    ['with a port', 'http://127.0.0.1:41234/msi/token', '127.0.0.1:41234'],
    ['with a scheme, which one SDK does not know', IMDS, 'http://169.254.169.254'],
    ['by another name of the same address', 'http://127.0.0.1:41234/', 'localhost'],
    ['by a longer name that ends like it', METADATA_SERVER, 'x.metadata.google.internal'],
    ['by spaces for commas', IMDS, 'localhost 169.254.169.254'],
    ['by nothing', IMDS, ''],
  ])('not %s', (_, url, list) => {
    set({ [name]: list });
    expect(proxied(url, 'azure')).toBe(true);
    expect(proxied(url, 'google')).toBe(true);
  });
});

describe('where both NO_PROXY and no_proxy are set', () => {
  beforeEach(() => set({ HTTP_PROXY: PROXY }));

  test('the first counts', () => {
    set({ NO_PROXY: 'localhost', no_proxy: '169.254.169.254' });
    expect([proxied(IMDS, 'azure'), proxied(IMDS, 'google')]).toEqual([true, true]);
    set({ NO_PROXY: '169.254.169.254', no_proxy: 'localhost' });
    expect([proxied(IMDS, 'azure'), proxied(IMDS, 'google')]).toEqual([false, false]);
  });

  // gaxios reads `NO_PROXY ?? no_proxy`, the Azure SDK takes the first that is not empty.
  test('an empty NO_PROXY hides no_proxy from the Google SDK, which would then use the proxy', () => {
    set({ NO_PROXY: '', no_proxy: '169.254.169.254' });
    expect(proxied(IMDS, 'azure')).toBe(false);
    expect(proxied(IMDS, 'google')).toBe(true);
  });
});
