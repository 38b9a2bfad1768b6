// What the command is told.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ENVIRONMENT_NAMES, type EnvironmentName, isEnvironmentName } from '../environment.js';
import { redact, textOf } from '../secrets.js';
import { type IdentityProvider, readServerConfig } from './server-config.js';

/** What doctor looks at. */
export interface Settings {
  readonly uri: string | undefined;
  readonly environment: EnvironmentName | undefined;
  readonly audience: string | undefined;
  readonly clientId: string | undefined;
  readonly tokenFile: string | undefined;
  readonly serviceAccount: string | undefined;
  readonly targetPrincipal: string | undefined;
  readonly allowedHosts: readonly string[] | undefined;
  /** The server's `oidcIdentityProviders`. */
  readonly providers: readonly IdentityProvider[] | undefined;
  readonly json: boolean;
  readonly connect: boolean;
  /** For a token, and for each check of a host. */
  readonly timeoutMS: number;
}

/** Where there is nothing to do but to print a text. */
export interface Answer {
  readonly text: string;
  readonly exitCode: 0 | 2;
}

const string = { type: 'string' } as const;
const boolean = { type: 'boolean', default: false } as const;
const OPTIONS = {
  environment: string,
  audience: string,
  'client-id': string,
  'token-file': string,
  'service-account': string,
  'target-principal': string,
  'allowed-hosts': { type: 'string', multiple: true },
  'server-config': string,
  timeout: { type: 'string', default: '10' },
  json: boolean,
  connect: { type: 'boolean', default: true },
  help: { type: 'boolean', default: false, short: 'h' },
  version: boolean,
} as const;

const LONGEST_SECONDS = 59;

export const USAGE = `Usage: npx mongodb-workload-identity doctor [uri] [options]

Finds out why MONGODB-OIDC does not work here: where this runs, whether there is a token, what it says, whether the
server takes it. The connection string may stand in the variable MONGODB_URI instead. No token is printed.

  --environment NAME        ${ENVIRONMENT_NAMES};
                            default: as the program finds it out
  --audience AUDIENCE       whom the token is for; default: TOKEN_RESOURCE of the connection string
  --client-id ID            Azure: client ID of the identity; default: the user name of the connection string
  --token-file PATH         Kubernetes: the token file
  --service-account EMAIL   Google Cloud: one of several attached service accounts
  --target-principal EMAIL  Google Cloud, with --environment developer: the service account to impersonate
  --allowed-hosts HOSTS     hosts that may get a token, separated by commas; default: those of the connection string
  --server-config FILE      the server's oidcIdentityProviders, as JSON: the token is compared with it
  --no-connect              look at the token only
  --timeout SECONDS         for a token, and for each check of a host; default: 10, at most ${LONGEST_SECONDS}
  --json                    print one JSON document
  -h, --help  --version

Exit code: 0 all well, 1 a check failed, 2 wrong usage.`;

/** @param version - of this package */
export function readArguments(args: readonly string[], version: string): Settings | Answer {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
      allowNegative: true,
    });
    if (values.version) return { text: version, exitCode: 0 };
    if (values.help) return { text: USAGE, exitCode: 0 };
    const [command, given, ...others] = positionals;
    // "$MONGODB_URI" is empty where it is not set.
    const uri = given || process.env.MONGODB_URI || undefined;
    if (command !== 'doctor') throw new TypeError('Say what to do: doctor.');
    if (others.length > 0)
      throw new TypeError('Give one connection string, in quotes: it holds characters of the shell.');
    if (uri === undefined && values.connect) {
      throw new TypeError('Give a connection string, set MONGODB_URI, or say --no-connect.');
    }
    const file = values['server-config'];
    return {
      uri,
      environment: readEnvironment(values.environment),
      audience: values.audience,
      clientId: values['client-id'],
      tokenFile: values['token-file'],
      serviceAccount: values['service-account'],
      targetPrincipal: values['target-principal'],
      allowedHosts: values['allowed-hosts']?.flatMap(readHosts),
      providers: file === undefined ? undefined : readServerConfig(readText(file)),
      json: values.json,
      connect: values.connect,
      timeoutMS: readTimeout(values.timeout),
    };
  } catch (error) {
    return { text: `${redact(textOf(error))}\n\n${USAGE}`, exitCode: 2 };
  }
}

function readEnvironment(name: string | undefined): EnvironmentName | undefined {
  if (name === undefined || isEnvironmentName(name)) return name;
  throw new TypeError(`--environment must be ${ENVIRONMENT_NAMES}.`);
}

function readHosts(text: string): string[] {
  const hosts = text.split(',').map((host) => host.trim());
  if (!hosts.includes('')) return hosts;
  throw new TypeError('--allowed-hosts must be names of hosts, separated by commas.');
}

function readTimeout(text: string): number {
  const seconds = Number(text);
  if (seconds >= 0.001 && seconds <= LONGEST_SECONDS) return seconds * 1000;
  throw new TypeError(`--timeout must be a number of seconds, at most ${LONGEST_SECONDS}.`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TypeError(
      `The file of --server-config cannot be read: ${(error as NodeJS.ErrnoException).code}.`,
    );
  }
}
