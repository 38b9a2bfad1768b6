// Reads what a MongoDB server was told of identity providers, in the forms that people have it in.

import { invalidOption } from '../options.js';

/**
 * An element of the server's `oidcIdentityProviders`, with the server's own names.
 * https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.oidcIdentityProviders
 */
export interface IdentityProvider {
  readonly issuer: string;
  readonly audience: string;
  readonly authNamePrefix: string;
  readonly matchPattern?: string;
  readonly clientId?: string;
  readonly requestScopes?: readonly unknown[];
  /** Default: `sub`. */
  readonly principalName?: string;
  /** Default: true. */
  readonly useAuthorizationClaim?: boolean;
  readonly authorizationClaim?: string;
  /** Default: true. */
  readonly supportsHumanFlows?: boolean;
  readonly JWKSPollSecs?: number;
}

const REQUIRED = ['issuer', 'audience', 'authNamePrefix'];
const TYPES: Readonly<Record<keyof IdentityProvider, string>> = {
  issuer: 'string',
  audience: 'string',
  authNamePrefix: 'string',
  matchPattern: 'string',
  clientId: 'string',
  requestScopes: 'object',
  principalName: 'string',
  useAuthorizationClaim: 'boolean',
  authorizationClaim: 'string',
  supportsHumanFlows: 'boolean',
  JWKSPollSecs: 'number',
};

const PARAMETER = 'oidcIdentityProviders';
/** In mongod.conf, or on a command line, where the JSON is text in something else. */
const EMBEDDED = new RegExp(`${PARAMETER}['"]?\\s*[:=]\\s*['"]?(\\[[^]*\\])`);
/** How deep JSON can be in JSON; the deepest that anyone has is a string in `setParameter`. */
const DEEPEST = 4;

/**
 * The identity providers in a server's configuration: the `oidcIdentityProviders` array, an object that has it
 * (as JSON or as a string of JSON, `setParameter` around it or not), the answer of `getParameter` as JSON or
 * EJSON, or the `mongod.conf` that the array stands in. No value is quoted in an error: a file can hold secrets.
 *
 * @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION`
 */
export function readServerConfig(text: string): IdentityProvider[] {
  const json = parse(text.replace(/^\uFEFF/, '')) ?? parse(EMBEDDED.exec(text)?.[1]);
  if (json === undefined) {
    throw problem(
      `holds no JSON; in mongosh, print(EJSON.stringify(db.adminCommand({ getParameter: 1, ${PARAMETER}: 1 }))) writes it`,
    );
  }
  const providers = arrayIn(json, DEEPEST);
  if (!providers) throw problem(`holds no array ${PARAMETER}; give that array, or an object with that key`);
  return providers.map(providerOf);
}

function arrayIn(value: unknown, depth: number): unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (depth === 0) return undefined;
  if (typeof value === 'string') return arrayIn(parse(value), depth - 1);
  const { [PARAMETER]: providers, setParameter } = Object(value) as Record<string, unknown>;
  return providers === undefined && setParameter === undefined
    ? undefined
    : arrayIn(providers ?? setParameter, depth - 1);
}

function providerOf(element: unknown, index: number): IdentityProvider {
  const place = `${PARAMETER}[${index}]`;
  if (typeof element !== 'object' || element === null) throw problem(`must have an object as ${place}`);
  const provider: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(TYPES)) {
    const value = plain((element as Record<string, unknown>)[name]);
    if (value === undefined || value === null) continue;
    const isRight = type === 'object' ? Array.isArray(value) : typeof value === type;
    if (!isRight)
      throw problem(`must have ${type === 'object' ? 'an array' : `a ${type}`} as ${place}.${name}`);
    provider[name] = value;
  }
  const missing = REQUIRED.filter((name) => !provider[name]);
  if (missing.length > 0) throw problem(`must have ${missing.join(', ')} in ${place}, as the server wants`);
  return provider as unknown as IdentityProvider;
}

/** A number as canonical EJSON writes it, as a number. */
function plain(value: unknown): unknown {
  const { $numberInt, $numberLong, $numberDouble } = Object(value) as Record<string, unknown>;
  const number = $numberInt ?? $numberLong ?? $numberDouble;
  return number === undefined ? value : Number(number);
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

function problem(text: string) {
  return invalidOption('--server-config', text);
}
