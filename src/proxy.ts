// Keeps metadata requests away from proxies.

import { OIDCCallbackError } from './errors.js';

/** The variables that each SDK takes a proxy from, whatever the scheme of the request. */
const AZURE_PROXY_VARIABLES = ['HTTPS_PROXY', 'ALL_PROXY', 'HTTP_PROXY'];
const GOOGLE_PROXY_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY'];

/**
 * Throws if the SDK would send a request for `url` to a proxy: a metadata request carries no proof of who
 * answers, so the proxy's answer would be taken for our token.
 *
 * @throws OIDCCallbackError `ERR_OIDC_METADATA_PROXIED`
 */
export function requireDirect(
  url: string,
  sdk: 'azure' | 'google',
  alsoExempt: readonly string[] = [],
): void {
  const host = hostOf(url);
  const names = sdk === 'azure' ? AZURE_PROXY_VARIABLES : GOOGLE_PROXY_VARIABLES;
  const variable = names.flatMap((name) => [name, name.toLowerCase()]).find((name) => process.env[name]);
  if (!variable || host === undefined || isExempt(host, sdk)) return;
  const exempt = [process.env.NO_PROXY || process.env.no_proxy, host, ...alsoExempt].filter(Boolean);
  throw new OIDCCallbackError(
    'ERR_OIDC_METADATA_PROXIED',
    `${variable} is set, and the SDK would send the request for the identity endpoint at ${host} to that proxy, whose answer would be taken for a token. Nothing was sent. Before the program starts, set NO_PROXY=${exempt.join(',')}`,
  );
}

/** The rules that both SDKs have in common; `*` and address ranges are not among them. */
function isExempt(host: string, sdk: 'azure' | 'google'): boolean {
  const { NO_PROXY, no_proxy } = process.env;
  // To Google's SDK an empty NO_PROXY hides no_proxy, to Azure's it does not.
  const list = sdk === 'azure' ? NO_PROXY || no_proxy : (NO_PROXY ?? no_proxy);
  return (list ?? '')
    .split(',')
    .map((rule) => rule.trim())
    .some((rule) => rule === host || (rule.startsWith('.') && host.endsWith(rule)));
}

function hostOf(url: string): string | undefined {
  try {
    return new URL(url).hostname;
  } catch {
    return undefined; // the SDK says what is wrong with it
  }
}
