// Which hosts of a connection string may get a token.

import { type AzureDocumentDB, documentDBOfAudience, documentDBOfHost } from './documentdb.js';
import { type Settings, toText } from './driver-settings.js';
import { isAllowedHost, isLoopback, normalizePattern, readHost, srvDomain, suffixDomain } from './hosts.js';
import { invalidOption } from './options.js';
import { type ConnectionString, invalidUri } from './uri.js';

/** What decides, besides the connection string. */
export interface HostRules {
  /** The option of `workloadIdentity`. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Of `authMechanismProperties`. */
  readonly ALLOWED_HOSTS: unknown;
  /** Whom the token is for, as far as it is said. */
  readonly audience: string | undefined;
}

export interface TrustedHosts {
  /** For the driver's `ALLOWED_HOSTS`. */
  readonly allowed: readonly string[];
  /** All that the connection string can lead to. */
  readonly hosts: readonly string[];
  /** The service that all of them belong to, if it is this one. */
  readonly documentDB: AzureDocumentDB | undefined;
}

let hasWarned = false;

/** @throws OIDCCallbackError `ERR_OIDC_INVALID_URI`, `ERR_OIDC_INVALID_OPTION` */
export function readTrustedHosts(
  connection: ConnectionString,
  settings: Settings,
  { allowedHosts, ALLOWED_HOSTS, audience }: HostRules,
): TrustedHosts {
  const hosts = readHosts(connection, settings);
  const pinned = readAllowedHosts(allowedHosts, ALLOWED_HOSTS);
  const allowed = pinned ?? hosts;
  const seeds = connection.isSRV ? connection.seeds.map((seed) => seed.toLowerCase()) : hosts;
  const documentDB = pinned ? documentDBOfHost(`${seeds[0]}`) : readDocumentDB(seeds, audience);
  // Nobody can foresee what the caller's own validator lets pass; the driver itself asks ALLOWED_HOSTS as well.
  if (settings.first('srvHostValidator') === undefined) {
    requireAllowed(hosts, allowed);
    if (documentDB && !pinned) requireAllowed(hosts, documentDB.allowedHosts);
  }
  return { allowed, hosts, documentDB };
}

/** If the values contradict each other, the driver refuses them. */
export function usesTLS({ isSRV }: ConnectionString, settings: Settings): boolean {
  const values = [...settings.all('tls'), ...settings.all('ssl')];
  return values.length === 0 ? isSRV : values.some((value) => value === true || value === 'true');
}

/** Once. */
export function warnOfExposure(hosts: readonly string[]): void {
  const exposed = hosts.filter((host) => !isLoopback(host));
  if (hasWarned || exposed.length === 0) return;
  hasWarned = true;
  process.emitWarning(
    `Access tokens will travel to ${exposed.join(', ')} without TLS, and whoever reads one can use it. Set tls=true in the connection string.`,
    { code: 'OIDC_INSECURE_TRANSPORT' },
  );
}

/**
 * The Azure DocumentDB that all these hosts belong to; undefined where none does.
 *
 * @throws OIDCCallbackError `ERR_OIDC_INVALID_URI` where a token for it would reach another host as well
 */
function readDocumentDB(seeds: readonly string[], audience: string | undefined): AzureDocumentDB | undefined {
  const known = seeds.map(documentDBOfHost).find(Boolean) ?? documentDBOfAudience(audience);
  if (!known) return undefined;
  const foreign = seeds.filter((seed) => documentDBOfHost(seed) !== known);
  if (foreign.length === 0) return known;
  if (foreign.every(isLoopback)) return undefined; // a tunnel, or a test
  throw invalidUri(
    `A token for Azure DocumentDB would go to '${foreign[0]}', which is not under ${known.allowedHosts.join().slice(2)}. Look at the name; if it is right, give workloadIdentity the option allowedHosts.`,
  );
}

/** The hosts that the driver will hold against ALLOWED_HOSTS; for an SRV name the pattern of all it may bring. */
function readHosts({ isSRV, seeds }: ConnectionString, settings: Settings): string[] {
  if (!isSRV) {
    return seeds.map((seed, index) => {
      const host = readHost(seed);
      if (host !== undefined) return host;
      throw invalidUri(
        `Of the connection string's hosts, number ${index + 1} is not a host, or its port is no port.`,
      );
    });
  }
  const suffix = settings.first('srvAllowedHostsSuffix');
  const domain =
    suffix === undefined ? srvDomain(`${seeds[0]}`) : suffixDomain(toText(suffix, 'srvAllowedHostsSuffix'));
  if (domain !== undefined) return [`*.${domain}`];
  const name = suffix === undefined ? 'host of the connection string' : 'srvAllowedHostsSuffix';
  throw invalidUri(`The ${name} is no domain name. Write it as DNS has it: db.example.com.`);
}

function readAllowedHosts(option: readonly string[] | undefined, property: unknown): string[] | undefined {
  if (!property) return option?.map(normalizePattern);
  if (option) throw invalidOption('allowedHosts', 'means the same as ALLOWED_HOSTS. Leave one of them out');
  if (isStringArray(property)) return property.map(normalizePattern);
  throw invalidUri("ALLOWED_HOSTS in authMechanismProperties must be an array: ['*.example.com'].");
}

/**
 * Drivers before 7.2.0 let `evilexample.com` pass `*.example.com` (NODE-7478), so every seed is compared here.
 * What an SRV name brings they hold against its domain first, at a dot, so a domain that is allowed as a whole
 * leaves the loose comparison nothing to decide. (Only a DNS answer with a slash in it gets past them.)
 */
function requireAllowed(hosts: readonly string[], allowed: readonly string[]): void {
  for (const host of hosts) {
    if (isAllowedHost(host, allowed)) continue;
    throw invalidUri(
      `The connection string leads to '${host}', and allowed are only: ${allowed.map((pattern) => `'${pattern}'`).join(', ')}.`,
    );
  }
}

export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
