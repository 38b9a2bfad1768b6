// `workloadIdentity`: what a connection string or client options say of an ENVIRONMENT, done by our callbacks.

import type { MongoClientOptions } from 'mongodb';
import { sharedCallback } from './shared-callback.js';
import { warnOfExposure } from './trusted-hosts.js';
import { readWorkload, type WorkloadIdentityOptions } from './workload.js';

type DriverOptions<Options> = Omit<Options, keyof WorkloadIdentityOptions>;

/**
 * Takes a connection string, with client options if there are any, and returns the arguments for a client that
 * gets its tokens from this package instead of the driver's built-in environments. `ENVIRONMENT:azure`, `gcp` and
 * `k8s` mean what they mean to the driver; without `ENVIRONMENT` it is found out where the program runs, as by
 * {@link EnvironmentCallback}. All other options and parameters stay as they are, and the rules are the driver's,
 * but `authMechanism` may be left out, and `TOKEN_RESOURCE` where `audience` is given.
 *
 * Hosts of Azure DocumentDB are recognised: they get its audience, `retryWrites=false` and TLS, where nothing else
 * is said. A token for it goes to no other host, unless `allowedHosts` names that.
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
  options?: undefined,
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
  const workload = readWorkload(uri, options);
  const { environment, audience, targetPrincipal, username, usesTLS, trusted } = workload;
  if (!usesTLS) warnOfExposure(trusted.hosts);
  return workload.clientArguments(sharedCallback(environment, { audience, targetPrincipal, username }));
}
