// What connection string and client options say about MONGODB-OIDC, read and judged by the driver's rules.

import { type ConnectionString, invalidUri } from './uri.js';

/** In the driver's order: the first that matches counts. */
const MECHANISMS = [
  'MONGODB-AWS',
  'DEFAULT',
  'GSSAPI',
  'PLAIN',
  'SCRAM-SHA-1',
  'SCRAM-SHA-256',
  'MONGODB-X509',
  'MONGODB-OIDC',
];
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

/** The values that the driver finds for a name in either place, whatever its case, and in its order. */
export class Settings {
  readonly #connection: ConnectionString;
  readonly #options: ReadonlyMap<string, unknown>;

  constructor(connection: ConnectionString, options: object) {
    this.#connection = connection;
    this.#options = new Map(
      Object.entries(options)
        .filter(([, value]) => value !== undefined && value !== null)
        .map(([name, value]) => [name.toLowerCase(), value]),
    );
  }

  fromOptions(name: string): unknown {
    return this.#options.get(name.toLowerCase());
  }

  all(name: string): unknown[] {
    return [this.fromOptions(name), this.#connection.get(name)].filter((value) => value !== undefined);
  }

  /** An option counts before the connection string. */
  first(name: string): unknown {
    return this.all(name)[0];
  }
}

export interface Credentials {
  readonly hasMechanism: boolean;
  /** Empty where there is none. */
  readonly username: string;
  /** Options and connection string merged. */
  readonly mechanismProperties: Readonly<Record<string, unknown>>;
}

/** @throws OIDCCallbackError `ERR_OIDC_INVALID_URI` */
export function readCredentials(connection: ConnectionString, settings: Settings): Credentials {
  const mechanism = settings.first('authMechanism');
  if (mechanism !== undefined && resolveMechanism(mechanism) !== 'MONGODB-OIDC') {
    throw invalidUri('The authMechanism is another one. Write authMechanism=MONGODB-OIDC, or leave it out.');
  }
  const source = settings.first('authSource');
  if (source !== undefined && toText(source, 'authSource') !== '$external') {
    throw invalidUri(
      'The authSource must be $external for MONGODB-OIDC, which is its default. Leave it out.',
    );
  }
  const uriProperties = connection.get('authMechanismProperties');
  if (uriProperties !== undefined && /(^|,)ALLOWED_HOSTS:/.test(uriProperties)) {
    throw invalidUri(
      'A connection string cannot hold ALLOWED_HOSTS. Give workloadIdentity the option allowedHosts.',
    );
  }
  return {
    hasMechanism: mechanism !== undefined,
    username: readUsername(settings.fromOptions('auth'), connection),
    mechanismProperties: readProperties(settings.all('authMechanismProperties')),
  };
}

/** The driver takes the value for a regular expression, so that `oidc` will do. */
function resolveMechanism(value: unknown): string | undefined {
  try {
    const pattern = new RegExp(`\\b${value}\\b`, 'i');
    return MECHANISMS.find((mechanism) => pattern.test(mechanism));
  } catch {
    return undefined;
  }
}

/** The option `auth` replaces the user part of the connection string as a whole. */
function readUsername(auth: unknown, connection: ConnectionString): string {
  const user = auth === undefined ? connection : auth;
  if (user !== connection && !(isRecord(user) && hasKey(user, 'username') && hasKey(user, 'password'))) {
    throw invalidUri(
      "The option 'auth' must be an object with both keys: { username: '<client ID>', password: undefined }.",
    );
  }
  const { username, password } = user as { username: unknown; password: unknown };
  if (username && password) {
    throw invalidUri('There is a password, and MONGODB-OIDC takes none. Leave it out; a client ID may stay.');
  }
  return username ? toText(username, 'user name') : '';
}

/** A string's pairs are added to what was there, an object replaces it; of a pair, `true` becomes a boolean. */
function readProperties(values: readonly unknown[]): Record<string, unknown> {
  let properties: Record<string, unknown> = Object.create(null);
  for (const value of values) {
    if (typeof value === 'string') {
      for (const [key, text] of pairs(value)) properties[key] = BOOLEANS.get(text) ?? text;
    } else if (isRecord(value)) {
      properties = { ...value };
    } else {
      throw invalidUri("The option 'authMechanismProperties' must be an object.");
    }
  }
  return properties;
}

function* pairs(text: string): Generator<[key: string, value: string]> {
  for (const pair of text === '' ? [] : text.split(',')) {
    const [key = '', value] = pair.split(/:(.*)/);
    if (value === undefined) {
      throw invalidUri(
        "The authMechanismProperties must be pairs with a colon, and a comma between two: ENVIRONMENT:azure,TOKEN_RESOURCE:<audience>. An audience that holds a comma must go into the options: { authMechanismProperties: { ENVIRONMENT: 'azure', TOKEN_RESOURCE: '<audience>' } }.",
      );
    }
    yield [key, value];
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype = value.constructor?.prototype;
  return !prototype || (isObject(prototype) && Object.hasOwn(prototype, 'isPrototypeOf'));
}

function isObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === '[object Object]';
}

function hasKey(object: object, key: string): boolean {
  return Object.keys(object).includes(key);
}

/** What the driver makes of a value that should be a string. */
export function toText(value: unknown, name: string): string {
  try {
    return String(value);
  } catch {
    throw invalidUri(`The ${name} must be a string.`); // an object without toString
  }
}
