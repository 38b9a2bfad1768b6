// What a connection string, with client options, says of a workload: where it runs, whom its token is for, where to.

import type { OIDCCallback } from './callback.js';
import { readCredentials, Settings, toText } from './driver-settings.js';
import { ENVIRONMENT_NAMES, type EnvironmentName, isEnvironmentName } from './environment.js';
import { environmentVariable, requireEnvironmentName } from './environment-callback.js';
import { OIDCCallbackError } from './errors.js';
import { invalidOption, requireString } from './options.js';
import { isStringArray, readTrustedHosts, type TrustedHosts, usesTLS } from './trusted-hosts.js';
import { type ConnectionString, invalidUri, parseConnectionString } from './uri.js';

/** Options of `workloadIdentity` itself; they do not reach the driver. */
export interface WorkloadIdentityOptions {
  /**
   * Whom the token is for. Default: `TOKEN_RESOURCE`; where both are set they must be the same. Without either,
   * the hosts of Azure DocumentDB tell it.
   */
  audience?: string | undefined;
  /**
   * Where this program runs, whatever the connection string's `ENVIRONMENT` says. Default: that; without it, the
   * variable `MONGODB_OIDC_ENVIRONMENT`; without that, it is found out on the first fetch.
   */
  environment?: EnvironmentName | undefined;
  /** On a laptop: email of the Google service account to impersonate, with `gcloud`'s login. Default: Azure's login. */
  targetPrincipal?: string | undefined;
  /**
   * The only hosts that may get a token: names, IP addresses, socket paths, and `*.example.com` for that
   * domain and everything under it. Default: the hosts of the connection string, or for `mongodb+srv` what is
   * under the parent domain of its host (under `srvAllowedHostsSuffix`, where that is set). With
   * `srvHostValidator` they should be given: the driver asks for both.
   */
  allowedHosts?: readonly string[] | undefined;
}

/** A connection string and client options, read. */
export interface Workload {
  readonly connection: ConnectionString;
  /** Undefined: to be found out. */
  readonly environment: EnvironmentName | undefined;
  /** Undefined: a token file has its own. */
  readonly audience: string | undefined;
  readonly targetPrincipal: string | undefined;
  readonly username: string | undefined;
  readonly usesTLS: boolean;
  readonly trusted: TrustedHosts;
  /** Connection string and options for a client that takes its tokens from this callback. */
  clientArguments(callback: OIDCCallback): [uri: string, options: Record<string, unknown>];
}

/** Neither the driver's nor ours here, and easily tried. */
const OPTIONS_OF_CLASSES = ['clientId', 'resourceId', 'objectId', 'tokenFile', 'credential', 'refreshAhead'];

/** @throws OIDCCallbackError `ERR_OIDC_INVALID_URI`, `ERR_OIDC_INVALID_OPTION` */
export function readWorkload(uri: string, options: WorkloadIdentityOptions): Workload {
  const {
    audience,
    environment: chosen,
    targetPrincipal,
    allowedHosts,
    driverOptions,
  } = readOwnOptions(options);
  const connection = parseConnectionString(uri);
  const settings = new Settings(connection, driverOptions);
  const { hasMechanism, username, mechanismProperties } = readCredentials(connection, settings);
  const { ENVIRONMENT, TOKEN_RESOURCE, ALLOWED_HOSTS, OIDC_CALLBACK, ...others } = mechanismProperties;
  if (OIDC_CALLBACK || others.OIDC_HUMAN_CALLBACK) {
    throw invalidUri(
      'There is a callback in authMechanismProperties, and workloadIdentity would add another. Leave OIDC_CALLBACK and OIDC_HUMAN_CALLBACK out, or call the client without workloadIdentity.',
    );
  }
  const misspelt = Object.keys(others).find((name) => /^(environment|token_resource)$/i.test(name));
  if (misspelt !== undefined) {
    throw invalidUri(`The authMechanismProperties have '${misspelt}'. Write it ${misspelt.toUpperCase()}.`);
  }
  const environment = chosen ?? readEnvironment(ENVIRONMENT);
  if (username && !chosen && (environment === 'gcp' || environment === 'k8s')) {
    throw invalidUri(
      `There is a user name beside ENVIRONMENT:${environment}; only azure takes one, the client ID. Leave it out.`,
    );
  }
  const resource = TOKEN_RESOURCE ? toText(TOKEN_RESOURCE, 'TOKEN_RESOURCE') : undefined;
  const trusted = readTrustedHosts(connection, settings, {
    allowedHosts,
    ALLOWED_HOSTS,
    audience: resource ?? audience,
  });
  const tokenAudience = requireOneAudience(resource, audience) ?? trusted.documentDB?.audience;
  if (tokenAudience === undefined && !needsNoAudience(environment)) {
    const property = `${environment ? `ENVIRONMENT:${environment},` : ''}TOKEN_RESOURCE:<audience>`;
    throw invalidUri(
      `No audience: there is no TOKEN_RESOURCE. Add authMechanismProperties=${property} to the connection string, or { audience: '<audience>' } to the options of workloadIdentity.`,
    );
  }
  const defaults = trusted.documentDB ? documentDBDefaults(connection, settings) : {};
  return {
    connection,
    environment,
    audience: tokenAudience,
    targetPrincipal,
    username: username || undefined,
    usesTLS: 'tls' in defaults || usesTLS(connection, settings),
    trusted,
    clientArguments(callback) {
      const result: Record<string, unknown> = { ...driverOptions, ...defaults };
      for (const name of Object.keys(result)) {
        if (name.toLowerCase() === 'authmechanismproperties') delete result[name];
      }
      if (!hasMechanism) result.authMechanism = 'MONGODB-OIDC';
      result.authMechanismProperties = {
        ...others,
        ...(resource !== undefined && { TOKEN_RESOURCE: resource }),
        OIDC_CALLBACK: callback,
        ALLOWED_HOSTS: trusted.allowed,
      };
      return [connection.without('authMechanismProperties'), result];
    },
  };
}

function readOwnOptions(options: WorkloadIdentityOptions) {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new OIDCCallbackError(
      'ERR_OIDC_INVALID_OPTION',
      "The options of workloadIdentity must be an object, such as { appName: 'orders' }.",
    );
  }
  const { audience: _, environment: __, targetPrincipal: ___, allowedHosts, ...driverOptions } = options;
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
  return {
    audience: requireString(options, 'audience'),
    environment: requireEnvironmentName(options),
    targetPrincipal: requireString(options, 'targetPrincipal'),
    allowedHosts,
    driverOptions,
  };
}

function readEnvironment(environment: unknown): EnvironmentName | undefined {
  if (!environment) return undefined;
  if (isEnvironmentName(environment)) return environment;
  throw invalidUri(
    `This ENVIRONMENT is not known (they are in lower case). Write authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:<audience> (or ENVIRONMENT:gcp, likewise), or authMechanismProperties=ENVIRONMENT:k8s (any Kubernetes: GKE, EKS, AKS with its own tokens). Known are ${ENVIRONMENT_NAMES}.`,
  );
}

/** A token file has an audience of its own. */
function needsNoAudience(environment: EnvironmentName | undefined): boolean {
  return (environment ?? environmentVariable()) === 'k8s';
}

function requireOneAudience(resource: string | undefined, audience: string | undefined): string | undefined {
  if (resource !== undefined && audience !== undefined && resource !== audience) {
    throw invalidOption(
      'audience',
      `contradicts TOKEN_RESOURCE, which is '${resource}'. Leave one of them out`,
    );
  }
  if (resource?.trim() === '') throw invalidUri('TOKEN_RESOURCE is blank. Write TOKEN_RESOURCE:<audience>.');
  return resource ?? audience;
}

/** What the service asks for, unless the user says otherwise. */
function documentDBDefaults({ isSRV }: ConnectionString, settings: Settings): Record<string, unknown> {
  const isSaid = (...names: readonly string[]) => names.some((name) => settings.all(name).length > 0);
  return {
    ...(!isSaid('retryWrites') && { retryWrites: false }),
    ...(!isSRV && !isSaid('tls', 'ssl') && { tls: true }),
  };
}
