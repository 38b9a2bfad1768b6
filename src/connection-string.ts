// `workloadIdentity`: what a connection string or client options say of an ENVIRONMENT, done by our callbacks.

import type { MongoClientOptions } from 'mongodb';
import { readCredentials, Settings, toText } from './driver-settings.js';
import { type EnvironmentName, sharedCallback } from './environment.js';
import { OIDCCallbackError } from './errors.js';
import { isAllowedHost, isLoopback, normalizePattern, readHost, srvDomain, suffixDomain } from './hosts.js';
import { invalidOption, requireString } from './options.js';
import { type ConnectionString, invalidUri, parseConnectionString } from './uri.js';

/** Options of {@link workloadIdentity} itself; they do not reach the driver. */
export interface WorkloadIdentityOptions {
  /** Whom the token is for. Default: `TOKEN_RESOURCE`; where both are set they must be the same. */
  audience?: string | undefined;
  /**
   * The only hosts that may get a token: names, IP addresses, socket paths, and `*.example.com` for that
   * domain and everything under it. Default: the hosts of the connection string, or for `mongodb+srv` what is
   * under the parent domain of its host (under `srvAllowedHostsSuffix`, where that is set). With
   * `srvHostValidator` they should be given: the driver asks for both.
   */
  allowedHosts?: readonly string[] | undefined;
}

type DriverOptions<Options> = Omit<Options, keyof WorkloadIdentityOptions>;

/** Neither the driver's nor ours here, and easily tried. */
const OPTIONS_OF_CLASSES = ['clientId', 'resourceId', 'objectId', 'tokenFile', 'credential', 'refreshAhead'];

const ENVIRONMENTS: readonly unknown[] = ['azure', 'gcp', 'k8s'] satisfies EnvironmentName[];

let hasWarned = false;

/**
 * Takes a connection string that says `ENVIRONMENT:azure`, `gcp` or `k8s` (or client options that do) and
 * returns the arguments for a client that gets its tokens from this package instead of the driver's built-in
 * environment. All other options and parameters stay as they are, and the rules are the driver's, but
 * `authMechanism` may be left out, and `TOKEN_RESOURCE` where `audience` is given.
 *
 * Hosts named by the connection string are trusted with a token: never pass one that a user can influence.
 *
 * @param uri - the connection string
 * @param options - options for the client, and {@link WorkloadIdentityOptions}
 * @returns connection string and options for `new MongoClient(...)` or `mongoose.connect(...)`
 * @throws OIDCCallbackError `ERR_OIDC_INVALID_URI` (the driver would reject it, or a host is not allowed),
 *   `ERR_OIDC_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { MongoClient } from 'mongodb';
 * import { workloadIdentity } from 'mongodb-workload-identity';
 *
 * const uri =
 *   'mongodb+srv://cluster0.example.mongodb.net/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,TOKEN_RESOURCE:my-audience';
 * const client = new MongoClient(...workloadIdentity(uri, { appName: 'orders' }));
 * ```
 */
export function workloadIdentity(
  uri: string,
): [uri: string, options: Pick<MongoClientOptions, 'authMechanism' | 'authMechanismProperties'>];
export function workloadIdentity<Options extends MongoClientOptions>(
  uri: string,
  options?: Options & WorkloadIdentityOptions,
): [uri: string, options: DriverOptions<Options>];
export function workloadIdentity<Options extends object>(
  uri: string,
  options: Options & WorkloadIdentityOptions,
): [uri: string, options: DriverOptions<Options>];
export function workloadIdentity(
  uri: string,
  options: WorkloadIdentityOptions = {},
): [uri: string, options: Record<string, unknown>] {
  const { audience, allowedHosts, driverOptions } = readOwnOptions(options);
  const connection = parseConnectionString(uri);
  const settings = new Settings(connection, driverOptions);
  const { hasMechanism, username, mechanismProperties } = readCredentials(connection, settings);
  const { ENVIRONMENT, TOKEN_RESOURCE, ALLOWED_HOSTS, OIDC_CALLBACK, ...others } = mechanismProperties;
  if (OIDC_CALLBACK || others.OIDC_HUMAN_CALLBACK) {
    throw invalidUri(
      'There is a callback in authMechanismProperties, and workloadIdentity would add another. Leave OIDC_CALLBACK and OIDC_HUMAN_CALLBACK out, or call the client without workloadIdentity.',
    );
  }
  const environment = requireEnvironment(ENVIRONMENT);
  if (username && environment !== 'azure') {
    throw invalidUri(
      `There is a user name beside ENVIRONMENT:${environment}; only azure takes one, the client ID. Leave it out.`,
    );
  }
  const resource = TOKEN_RESOURCE ? toText(TOKEN_RESOURCE, 'TOKEN_RESOURCE') : undefined;
  const tokenAudience = requireOneAudience(environment, resource, audience);
  const hosts = readHosts(connection, settings);
  const allowed = readAllowedHosts(allowedHosts, ALLOWED_HOSTS) ?? hosts;
  // Nobody can foresee what the caller's own validator lets pass; the driver itself asks ALLOWED_HOSTS as well.
  if (settings.first('srvHostValidator') === undefined) requireAllowed(hosts, allowed);
  if (!usesTLS(connection, settings)) warnOfExposure(hosts);

  const result: Record<string, unknown> = { ...driverOptions };
  for (const name of Object.keys(result)) {
    if (name.toLowerCase() === 'authmechanismproperties') delete result[name];
  }
  if (!hasMechanism) result.authMechanism = 'MONGODB-OIDC';
  result.authMechanismProperties = {
    ...others,
    ...(resource !== undefined && { TOKEN_RESOURCE: resource }),
    OIDC_CALLBACK: sharedCallback(environment, {
      ...(tokenAudience !== undefined && { audience: tokenAudience }),
      ...(username && { username }),
    }),
    ALLOWED_HOSTS: allowed,
  };
  return [connection.without('authMechanismProperties'), result];
}

function readOwnOptions(options: WorkloadIdentityOptions) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OIDCCallbackError(
      'ERR_OIDC_INVALID_OPTION',
      "The options of workloadIdentity must be an object, such as { appName: 'orders' }.",
    );
  }
  const { audience: _, allowedHosts, ...driverOptions } = options;
  if (
    allowedHosts !== undefined &&
    !(isStringArray(allowedHosts) && allowedHosts.length > 0 && !allowedHosts.includes(''))
  ) {
    throw invalidOption('allowedHosts', "must be an array of host names, such as ['*.example.com']");
  }
  const ofClass = OPTIONS_OF_CLASSES.find((name) => Object.hasOwn(driverOptions, name));
  if (ofClass !== undefined) {
    throw invalidOption(
      ofClass,
      'belongs to a callback class, and workloadIdentity passes its options on to the driver. A client ID is the user name of the connection string; for anything else make the callback yourself and give it as OIDC_CALLBACK',
    );
  }
  return { audience: requireString(options, 'audience'), allowedHosts, driverOptions };
}

function requireEnvironment(environment: unknown): EnvironmentName {
  if (ENVIRONMENTS.includes(environment)) return environment as EnvironmentName;
  throw invalidUri(
    `${environment ? 'This ENVIRONMENT is not known' : 'There is no ENVIRONMENT'}. Write authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:<audience> (or ENVIRONMENT:gcp, likewise), or authMechanismProperties=ENVIRONMENT:k8s (any Kubernetes: GKE, EKS, AKS with its own tokens).`,
  );
}

function requireOneAudience(
  environment: EnvironmentName,
  resource: string | undefined,
  audience: string | undefined,
): string | undefined {
  if (resource !== undefined && audience !== undefined && resource !== audience) {
    throw invalidOption(
      'audience',
      `contradicts TOKEN_RESOURCE, which is '${resource}'. Leave one of them out`,
    );
  }
  if (resource === undefined && audience === undefined && environment !== 'k8s') {
    throw invalidUri(
      `There is no TOKEN_RESOURCE. Write ENVIRONMENT:${environment},TOKEN_RESOURCE:<audience>, or give workloadIdentity the option audience.`,
    );
  }
  if (resource?.trim() === '') throw invalidUri('TOKEN_RESOURCE is blank. Write TOKEN_RESOURCE:<audience>.');
  return resource ?? audience;
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

/** If the values contradict each other, the driver refuses them. */
function usesTLS({ isSRV }: ConnectionString, settings: Settings): boolean {
  const values = [...settings.all('tls'), ...settings.all('ssl')];
  return values.length === 0 ? isSRV : values.some((value) => value === true || value === 'true');
}

function warnOfExposure(hosts: readonly string[]): void {
  const exposed = hosts.filter((host) => !isLoopback(host));
  if (hasWarned || exposed.length === 0) return;
  hasWarned = true;
  process.emitWarning(
    `Access tokens will travel to ${exposed.join(', ')} without TLS, and whoever reads one can use it. Set tls=true in the connection string.`,
    { code: 'OIDC_INSECURE_TRANSPORT' },
  );
}

function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
