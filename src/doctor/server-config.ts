// Reads what a MongoDB server was told of identity providers, in the forms that people have it in.

import type { OIDCCallbackError } from '../errors.js';
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
  readonly requestScopes?: readonly string[];
  /** Default: `sub`. */
  readonly principalName?: string;
  /** Default: true. */
  readonly useAuthorizationClaim?: boolean;
  readonly authorizationClaim?: string;
  /** Default: true. */
  readonly supportsHumanFlows?: boolean;
  readonly JWKSPollSecs?: number;
}

const PARAMETER = 'oidcIdentityProviders';
const TYPES: Readonly<Record<string, string>> = {
  issuer: 'string',
  audience: 'string',
  authNamePrefix: 'string',
  matchPattern: 'string',
  clientId: 'string',
  principalName: 'string',
  useAuthorizationClaim: 'boolean',
  authorizationClaim: 'string',
  supportsHumanFlows: 'boolean',
};
const REQUIRED = ['issuer', 'audience', 'authNamePrefix'];
/** The JSON in a `mongod.conf`, or on a command line. */
const EMBEDDED = new RegExp(`${PARAMETER}['"]?\\s*[:=]\\s*['"]?(\\[[^]*\\])`);

/**
 * The identity providers in a server's configuration: the `oidcIdentityProviders` array; an object that has it,
 * as JSON or as a string of JSON, `setParameter` around it or not; the answer of `getParameter`, as JSON or
 * EJSON; or the `mongod.conf` that it stands in. No value is quoted in an error: a file can hold secrets.
 *
 * @throws OIDCCallbackError `ERR_OIDC_INVALID_OPTION`
 */
export function readServerConfig(text: string): IdentityProvider[] {
  let value = parse(text.trim()) ?? parse(EMBEDDED.exec(text)?.[1]);
  // The deepest that anyone has is an array in a string in an object in `setParameter`.
  for (let depth = 0; depth < 4 && !Array.isArray(value); depth += 1) {
    value =
      typeof value === 'string' ? parse(value) : (member(value, PARAMETER) ?? member(value, 'setParameter'));
  }
  if (!Array.isArray(value)) {
    throw problem(
      `needs the ${PARAMETER} array as JSON; in mongosh: EJSON.stringify(db.adminCommand({ getParameter: 1, ${PARAMETER}: 1 }))`,
    );
  }
  return value.map(requireProvider);
}

function requireProvider(provider: unknown, index: number): IdentityProvider {
  for (const [name, type] of Object.entries(TYPES)) {
    const value = member(provider, name);
    const isMissing = value === undefined || value === null || value === '';
    if (isMissing ? REQUIRED.includes(name) : typeof value !== type) {
      throw problem(`needs a ${type} as ${PARAMETER}[${index}].${name}`);
    }
  }
  return provider as IdentityProvider;
}

function member(value: unknown, name: string): unknown {
  return (Object(value) as Record<string, unknown>)[name];
}

function parse(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problem(text: string): OIDCCallbackError {
  return invalidOption('--server-config', text);
}
