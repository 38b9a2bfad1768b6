// Reads a connection string as the driver does, and cuts a parameter out of it without touching the rest.

import { OIDCCallbackError } from './errors.js';

/** A connection string, taken apart. */
export interface ConnectionString {
  readonly isSRV: boolean;
  /** The seeds with their ports, or the one SRV host, as they are written. */
  readonly seeds: readonly string[];
  /** Decoded; empty where there is none. */
  readonly username: string;
  /** Decoded; empty where there is none. */
  readonly password: string;
  /** The value of a query parameter, decoded; undefined where it is missing. */
  get(name: string): string | undefined;
  /** The connection string without a query parameter, and otherwise byte for byte the same. */
  without(name: string): string;
}

/** What the driver takes for a connection string; of the rest it reads what is before the first line break. */
const SHAPE =
  /^mongodb(?<srv>\+srv)?:\/\/(?:(?<username>[^:@]*)(?::(?<password>[^@]*))?@)?(?<seeds>(?!:)[^/?@]*)(?<rest>.*)/;
const RESERVED = /[:/?#[\]@]/;

/** `ERR_OIDC_INVALID_URI`. The connection string is never quoted: it may hold a password. */
export function invalidUri(problem: string): OIDCCallbackError {
  return new OIDCCallbackError('ERR_OIDC_INVALID_URI', problem);
}

/** @throws OIDCCallbackError `ERR_OIDC_INVALID_URI` */
export function parseConnectionString(uri: string): ConnectionString {
  if (typeof uri !== 'string') {
    throw invalidUri(`The connection string must be a string, not ${uri === null ? 'null' : typeof uri}.`);
  }
  const match = SHAPE.exec(uri);
  const { srv, username, password = '', seeds, rest = '' } = match?.groups ?? {};
  if (!match || !seeds) {
    throw invalidUri('The connection string must begin with mongodb:// or mongodb+srv:// and name a host.');
  }
  if (username === '') throw invalidUri('The connection string has an @ or a : but no user name before it.');
  // A third `@` that only newer drivers refuse: older ones take the host from behind it.
  if (RESERVED.test(`${username ?? ''}${password}`) || rest.startsWith('@')) {
    throw invalidUri(
      "The connection string has one of : / ? # [ ] @ unescaped in its user part, or an unescaped '@' further on. Percent-encode it: '@' is %40, '/' is %2F, ':' is %3A.",
    );
  }
  const isSRV = srv !== undefined;
  if (isSRV && /[,:]/.test(seeds)) {
    throw invalidUri('A mongodb+srv connection string must name one host, without a port.');
  }
  const userPart = username === undefined ? '' : `${username}:${password}@`;
  const url = new URL(`mongodb://${userPart}host${rest}`);
  if (![username ?? '', password, url.pathname].every(isDecodable)) {
    throw invalidUri("The connection string has a '%' that encodes nothing; a '%' itself is written %25.");
  }

  // Of several spellings (`tls`, `TLS`) the driver reads the first and ignores the others.
  const keyOf = (name: string) => [...url.searchParams.keys()].find((key) => isSameName(key, name));
  return {
    isSRV,
    seeds: seeds.split(','),
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    get(name) {
      const key = keyOf(name);
      if (key === undefined) return undefined;
      const values = url.searchParams.getAll(key);
      if (values.length > 1) throw invalidUri(`The connection string has ${name} more than once.`);
      if (values[0] === '') throw invalidUri(`The connection string has ${name} without a value.`);
      return values[0];
    },
    without(name) {
      const start = match[0].length - rest.length;
      return uri.slice(0, start) + cut(rest, name) + uri.slice(match[0].length);
    },
  };
}

/** Cuts every spelling of the parameter out of `rest` (path, query, fragment): another would be read instead. */
function cut(rest: string, name: string): string {
  const [, path = '', query = '', fragment = ''] = /^([^?#]*\??)([^#]*)(.*)/.exec(rest) ?? [];
  const isNamed = (segment: string) => {
    const [key] = new URL(`mongodb://host/?${segment}${fragment}`).searchParams.keys();
    return key !== undefined && isSameName(key, name);
  };
  const kept = query
    .split(/(?<=&)/)
    .filter((segment) => !isNamed(segment))
    .join('');
  // A URL parser trims spaces off the end, so the `&` of a value that ends in one must stay.
  const isDangling = kept.endsWith('&') && !query.endsWith('&') && !/[\s\p{Cc}]&$/u.test(kept);
  return path + (isDangling ? kept.slice(0, -1) : kept) + fragment;
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
