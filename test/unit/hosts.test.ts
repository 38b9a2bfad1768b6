import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import {
  isAllowedHost,
  isLoopback,
  normalizePattern,
  readHost,
  srvDomain,
  suffixDomain,
} from '../../src/hosts.js';

interface DriverUtils {
  HostAddress: new (seed: string) => { toHostPort(): { host: string } };
  checkParentDomainMatch(address: string, srvHost: string): void;
  hostMatchesWildcards(host: string, patterns: string[]): boolean;
}
const driver: DriverUtils = createRequire(import.meta.url)('mongodb/lib/utils.js');

describe('a seed is read as the driver reads it', () => {
  test.each([
    'localhost',
    'localhost:27017',
    'LOCALHOST:27018',
    'Db.Example.COM',
    'db.example.com.',
    '127.0.0.1',
    '127.0.0.1:1',
    '[::1]',
    '[::1]:27018',
    '[FE80::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]:27017',
    '%5Bx%5D',
    '%5Bx',
    'x%5D',
    'h%41st',
    'bücher.example',
    'b%C3%BCcher.example',
    'xn--bcher-kva.example',
    'two words',
    'db#1',
    'db\n',
    'under_score',
    '*.example.com',
    '',
    '%2Ftmp%2FMongoDB-27017.sock',
    '%2Ftmp%2Ftwo words.sock',
    'relative.sock',
    '%2Ftmp%2Fno-ending',
  ])('%j', (seed) => {
    expect(readHost(seed)).toBe(new driver.HostAddress(seed).toHostPort().host);
  });

  test.each(['db:0', 'db:99999', 'db:port', '[::1', '[fe80::1%25eth0]', 'a\\b', 'a|b', '%zz.sock', '%zz'])(
    '%j is none',
    (seed) => {
      expect(() => new driver.HostAddress(seed)).toThrow();
      expect(readHost(seed)).toBeUndefined();
    },
  );
});

describe("the domain of an SRV name holds what the driver's check lets through, and nothing else", () => {
  const cases: [srvHost: string, domain: string, inside: string[], outside: string[]][] = [
    [
      'cluster0.abc12.mongodb.net',
      'abc12.mongodb.net',
      ['shard-00.abc12.mongodb.net', 'a.b.abc12.mongodb.net'],
      ['shard-00.mongodb.net', 'evilabc12.mongodb.net', 'abc12.mongodb.net', 'abc12.mongodb.net.evil.com'],
    ],
    [
      'db.example.com',
      'example.com',
      ['a.example.com'],
      ['a.evilexample.com', 'evilexample.com', 'example.com'],
    ],
    [
      'example.com',
      'example.com',
      ['a.example.com', 'a.b.example.com'],
      ['b.com', 'aexample.com', 'example.com'],
    ],
    [
      'localhost',
      'localhost',
      ['a.localhost', 'a.b.localhost'],
      ['notlocalhost', 'localhost', 'a.notlocalhost'],
    ],
    ['DB.Example.COM', 'example.com', ['a.example.com'], ['a.com']],
    ['db.example.com.', 'example.com', ['a.example.com'], ['a.com']],
    ['db.bücher.example', 'xn--bcher-kva.example', ['a.xn--bcher-kva.example'], ['a.example']],
    ['db.XN--A.example', 'xn--a.example', ['a.xn--a.example'], ['a.example']],
  ];
  test.each(cases)('%s', (srvHost, domain, inside, outside) => {
    expect(srvDomain(srvHost)).toBe(domain);
    for (const host of inside) {
      expect(() => driver.checkParentDomainMatch(host, srvHost), host).not.toThrow();
      expect(isAllowedHost(host, [`*.${domain}`]), host).toBe(true);
    }
    for (const host of outside) {
      expect(() => driver.checkParentDomainMatch(host, srvHost), host).toThrow();
      // The driver's pattern also stands for its suffix, which its own check of SRV names keeps out.
      if (host !== domain) expect(isAllowedHost(host, [`*.${domain}`]), host).toBe(false);
    }
  });

  test.each([
    '',
    '.',
    'two words.example.com',
    'db.example.com\n',
    'a%41.example.com',
    'a/b.example.com',
    'a#b',
  ])('%j is no domain name, for the driver either', (srvHost) => {
    expect(srvDomain(srvHost)).toBeUndefined();
    expect(() => driver.checkParentDomainMatch('a.example.com', srvHost)).toThrow();
  });
});

test.each([
  ['.Example.COM', 'example.com'],
  ['example.com', 'example.com'],
  ['example.com..', 'example.com'],
  ['..bücher.example.', 'xn--bcher-kva.example'],
  ['internal', 'internal'],
  ['...', undefined],
  ['a b', undefined],
])('srvAllowedHostsSuffix %j stands for %j', (suffix, domain) => {
  expect(suffixDomain(suffix)).toBe(domain);
});

describe('a pattern matches as in the newest driver', () => {
  test.each([
    ['db.example.com', '*.example.com', true],
    ['a.b.example.com', '*.example.com', true],
    ['example.com', '*.example.com', true],
    ['evilexample.com', '*.example.com', false],
    ['example.com.evil.org', '*.example.com', false],
    ['db.example.com', 'db.example.com', true],
    ['a.db.example.com', 'db.example.com', false],
    ['db.example.com', '*', false],
    ['db.example.com', '*.', false],
    ['db.example.com', '*example.com', false],
    ['db.example.com', 'db.*.com', false],
    ['db.example.com', '.example.com', false],
    ['::1', '::1', true],
    ['::1', '[::1]', false],
    ['/tmp/mongodb-27017.sock', '/tmp/mongodb-27017.sock', true],
    ['/tmp/mongodb-27017.sock', '*/mongodb-27017.sock', true],
    ['/tmp/evil-mongodb-27017.sock', '*/mongodb-27017.sock', false],
    ['*.example.com', '*.example.com', true],
    ['*.db.example.com', '*.example.com', true],
    ['*.evilexample.com', '*.example.com', false],
    ['*.example.com', '*.db.example.com', false],
    ['*.example.com', 'example.com', false],
  ])('%s and %s: %s', (host, pattern, isMatch) => {
    expect(isAllowedHost(host, [pattern])).toBe(isMatch);
    expect(isAllowedHost(host, ['other', pattern])).toBe(isMatch);
    expect(driver.hostMatchesWildcards(host, [pattern])).toBe(isMatch);
  });

  test('no pattern matches nothing', () => {
    expect(isAllowedHost('db.example.com', [])).toBe(false);
  });
});

test('a pattern is brought into the case of the hosts, socket paths excepted', () => {
  expect(normalizePattern('*.Example.COM')).toBe('*.example.com');
  expect(normalizePattern('/tmp/MongoDB.sock')).toBe('/tmp/MongoDB.sock');
});

test.each([
  ['localhost', true],
  ['db.localhost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['127.0.0.100', true],
  ['::1', true],
  ['/tmp/mongodb-27017.sock', true],
  ['127.0.0.1.example.com', false],
  ['db.127.0.0.1', false],
  ['notlocalhost', false],
  ['128.0.0.1', false],
  ['::2', false],
  ['10.0.0.1', false],
  ['db.example.com', false],
])('%s is on this machine: %s', (host, isLocal) => {
  expect(isLoopback(host)).toBe(isLocal);
});
