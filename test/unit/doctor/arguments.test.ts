import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answer, readArguments, type Settings, USAGE } from '../../../src/doctor/arguments.js';

const uri = 'mongodb+srv://cluster0.abcde.mongodb.net/';
const secret = 'S3cret-of-0rders!';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arguments-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

function settingsOf(...args: readonly string[]): Settings {
  const read = readArguments(['doctor', ...args], '1.2.3');
  if ('text' in read) throw new Error(read.text);
  return read;
}

function answerTo(...args: readonly string[]): Answer {
  const read = readArguments(args, '1.2.3');
  if ('text' in read) return read;
  throw new Error('there was nothing wrong');
}

function fileWith(text: string): string {
  const path = join(folder, 'providers.json');
  writeFileSync(path, text);
  return path;
}

describe('doctor', () => {
  it('has defaults for all but the connection string', () => {
    expect(settingsOf(uri)).toEqual({
      uri,
      environment: undefined,
      audience: undefined,
      clientId: undefined,
      tokenFile: undefined,
      serviceAccount: undefined,
      targetPrincipal: undefined,
      allowedHosts: undefined,
      providers: undefined,
      json: false,
      connect: true,
      timeoutMS: 10_000,
    });
  });

  it('takes every option', () => {
    const providers = [{ issuer: 'https://oidc.example.com', audience: 'mongodb', authNamePrefix: 'k8s' }];
    const read = settingsOf(
      ...['--environment', 'developer', '--audience', 'mongodb', '--client-id=a', '--token-file', '/token'],
      ...['--service-account', 'a@b', '--target-principal', 'c@d', '--timeout', '2.5', '--json'],
      ...['--allowed-hosts', '*.example.com,db.test', '--allowed-hosts', 'other.test', '--no-connect'],
      ...['--server-config', fileWith(JSON.stringify(providers))],
    );
    expect(read).toEqual({
      uri: undefined,
      environment: 'developer',
      audience: 'mongodb',
      clientId: 'a',
      tokenFile: '/token',
      serviceAccount: 'a@b',
      targetPrincipal: 'c@d',
      allowedHosts: ['*.example.com', 'db.test', 'other.test'],
      providers,
      json: true,
      connect: false,
      timeoutMS: 2_500,
    });
  });

  it('takes the connection string of MONGODB_URI, where there is none or an empty one', () => {
    vi.stubEnv('MONGODB_URI', uri);
    expect(settingsOf().uri).toBe(uri);
    expect(settingsOf('').uri).toBe(uri);
    expect(settingsOf('mongodb://other/').uri).toBe('mongodb://other/');
  });

  it('needs no connection string to look at a token only', () => {
    vi.stubEnv('MONGODB_URI', '');
    expect(settingsOf('--no-connect').uri).toBeUndefined();
  });
});

describe('no question', () => {
  it.each([['--help'], ['-h'], ['doctor', '--help'], ['doctor', uri, '-h']])('%s %s', (...args) => {
    expect(answerTo(...args)).toEqual({ text: USAGE, exitCode: 0 });
  });

  it.each([['--version'], ['doctor', '--version']])('%s %s', (...args) => {
    expect(answerTo(...args)).toEqual({ text: '1.2.3', exitCode: 0 });
  });

  it('fits a terminal of 120 columns', () => {
    expect(Math.max(...USAGE.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});

describe('wrong usage', () => {
  it.each([
    ['no command', [], 'Say what to do: doctor'],
    ['another command', ['diagnose', uri], 'Say what to do: doctor'],
    ['no connection string', ['doctor'], 'Give a connection string, set MONGODB_URI, or say --no-connect'],
    ['an empty connection string', ['doctor', ''], 'Give a connection string'],
    ['two connection strings', ['doctor', uri, uri], 'Give one connection string, in quotes'],
    ['an unknown option', ['doctor', uri, '--tokenfile', '/token'], "Unknown option '--tokenfile'"],
    ['an option without its value', ['doctor', uri, '--audience'], "'--audience <value>' argument missing"],
    ['a value that is not wanted', ['doctor', uri, '--json=yes'], "'--json' does not take an argument"],
    [
      'an unknown environment',
      ['doctor', uri, '--environment', 'aws'],
      '--environment must be azure, gcp, k8s',
    ],
    ['no time', ['doctor', uri, '--timeout', '0'], '--timeout must be a number of seconds, at most 59'],
    ['hardly any time', ['doctor', uri, '--timeout', '1e-9'], '--timeout must be'],
    ['no host', ['doctor', uri, '--allowed-hosts', ''], '--allowed-hosts must be names of hosts'],
    ['too much time', ['doctor', uri, '--timeout', '60'], '--timeout must be'],
    ['a time that is no number', ['doctor', uri, '--timeout', '5s'], '--timeout must be'],
    ['a file that is not there', ['doctor', uri, '--server-config', '/nowhere'], 'cannot be read: ENOENT'],
  ])('%s', (_, args, says) => {
    vi.stubEnv('MONGODB_URI', '');
    const { text, exitCode } = answerTo(...args);
    expect(exitCode).toBe(2);
    expect(text).toContain(says);
    expect(text).toContain(USAGE);
  });

  it('is a server configuration that is no JSON', () => {
    const { text, exitCode } = answerTo('doctor', uri, '--server-config', fileWith(`password: ${secret}`));
    expect(exitCode).toBe(2);
    expect(text).toContain('--server-config');
    expect(text).toContain('needs the oidcIdentityProviders array as JSON');
    expect(text).not.toContain(secret);
  });

  it.each([
    ['an option', ['doctor', uri, `--password=${secret}`]],
    ['a connection string too many', ['doctor', uri, `mongodb://orders:${secret}@db.example.com/`]],
    ['a connection string for a command', [`mongodb://orders:${secret}@db.example.com/`]],
    ['an environment', ['doctor', uri, '--environment', secret]],
    ['a time', ['doctor', uri, '--timeout', secret]],
    ['a flag', ['doctor', uri, `--json=${secret}`]],
    ['the name of a file', ['doctor', uri, '--server-config', `/nowhere/${secret}`]],
  ])('does not print %s', (_, args) => {
    const { text, exitCode } = answerTo(...args);
    expect(exitCode).toBe(2);
    expect(text).not.toContain(secret);
  });
});
