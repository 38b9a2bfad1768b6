// Checks on options that several classes share.

import { OIDCCallbackError } from './errors.js';

/** What no URL and no token can hold. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Type of options of which none may be given. */
export type None<Options> = {
  readonly [Name in Options extends unknown ? keyof Options : never]?: undefined;
};

/** `ERR_OIDC_INVALID_OPTION`, naming the options. Values are not quoted: one could be a secret. */
export function invalidOption(name: string | readonly string[], problem: string): OIDCCallbackError {
  const names = [name].flat();
  return new OIDCCallbackError(
    'ERR_OIDC_INVALID_OPTION',
    `The option${names.length > 1 ? 's' : ''} ${names.map((each) => `'${each}'`).join(' and ')} ${problem}.`,
  );
}

/** Throws unless `options` is an object with no keys but `names`. */
export function requireKnownOptions(className: string, options: unknown, names: readonly string[]): void {
  // A Map or a Date has no keys, and would count as no options at all.
  if (Object.prototype.toString.call(options) !== '[object Object]') {
    throw new OIDCCallbackError(
      'ERR_OIDC_INVALID_OPTION',
      `The options of ${className} must be an object, such as { audience: '…' }.`,
    );
  }
  for (const name of Object.keys(options as object)) {
    if (names.includes(name)) continue;
    throw invalidOption(name, `is not known to ${className}; it takes ${names.join(', ')}`);
  }
}

/** The option's value, which is a string with something in it, or undefined. */
export function requireString<Name extends string>(
  options: { readonly [key in Name]?: unknown },
  name: Name,
): string | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalidOption(name, `must be a string, not a ${typeof value}`);
  if (value.trim() === '') throw invalidOption(name, 'must not be empty; leave it out for the default');
  if (LONE_SURROGATE.test(value)) throw invalidOption(name, 'has half a character (a lone surrogate)');
  return value;
}

/** The audience, for an environment that cannot do without. */
export function requireAudience(audience: string | undefined): string {
  if (audience && LONE_SURROGATE.test(audience)) {
    throw invalidOption('audience', 'or TOKEN_RESOURCE has half a character (a lone surrogate)');
  }
  if (audience) return audience;
  throw new OIDCCallbackError(
    'ERR_OIDC_AUDIENCE_MISSING',
    "No audience: give the callback's `audience` option, or set TOKEN_RESOURCE in authMechanismProperties (of the client options or the connection string), to the audience that the server's identity provider is configured with.",
  );
}
