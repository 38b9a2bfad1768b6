// Host names in the form in which the driver compares them with ALLOWED_HOSTS, and that comparison.

import { domainToASCII } from 'node:url';

/** What the WHATWG URL Standard forbids in a domain. */
const FORBIDDEN_IN_DOMAIN = /[\p{Cc} #%/:<>?@[\\\]^|]/u;

/** The host of a seed as the driver's `HostAddress` reads it; undefined where that rejects it. */
export function readHost(seed: string): string | undefined {
  const escaped = seed.replaceAll(' ', '%20');
  try {
    if (escaped.endsWith('.sock')) return decodeURIComponent(escaped);
    const { hostname, port } = new URL(`seed://${escaped}`);
    if (port === '0') return undefined;
    const host = decodeURIComponent(hostname).toLowerCase();
    return host.startsWith('[') && host.endsWith(']') ? host.substring(1, hostname.length - 1) : host;
  } catch {
    return undefined;
  }
}

/**
 * The domain under which every host must be that the driver accepts from the DNS record of `srvHost`: the
 * name without its first label or, where it has fewer than three, the name itself. Undefined for what is no
 * domain name.
 */
export function srvDomain(srvHost: string): string | undefined {
  const name = toDomain(srvHost.replace(/\.$/, ''));
  const labels = name?.split('.') ?? [];
  return labels.length < 3 ? name : labels.slice(1).join('.');
}

/** The domain that the driver's option `srvAllowedHostsSuffix` stands for; undefined for what is none. */
export function suffixDomain(suffix: string): string | undefined {
  return toDomain(suffix.replace(/^\.+|\.+$/g, ''));
}

/**
 * Whether `host` matches one of `patterns`, as drivers do since 7.2.0 (NODE-7478): `*.suffix` stands for the
 * suffix and what is below it at a dot, `*` and `/` likewise for socket paths, anything else for itself.
 */
export function isAllowedHost(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    if (host === pattern) return true;
    if (!pattern.startsWith('*.') && !pattern.startsWith('*/')) return false;
    return host === pattern.slice(2) || host.endsWith(pattern.slice(1));
  });
}

/** A pattern in the case of what `readHost` returns: names in lower case, socket paths as they are. */
export function normalizePattern(pattern: string): string {
  return pattern.includes('/') ? pattern : pattern.toLowerCase();
}

/** Whether traffic to this host stays on the machine. */
export function isLoopback(host: string): boolean {
  return (
    host === '::1' ||
    /^127(\.\d{1,3}){3}$/.test(host) ||
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host.endsWith('.sock')
  );
}

function toDomain(name: string): string | undefined {
  if (FORBIDDEN_IN_DOMAIN.test(name)) return undefined;
  const ascii = /^\p{ASCII}*$/u.test(name) ? name.toLowerCase() : domainToASCII(name);
  return ascii === '' ? undefined : ascii;
}
