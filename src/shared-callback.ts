// One callback of each kind for the whole process.

import { hasWorkloadIdentity } from './azure-credential.js';
import type { OIDCCallback } from './callback.js';
import { callbackOf, type EnvironmentName, type EnvironmentOptions } from './environment.js';
import { EnvironmentCallback } from './environment-callback.js';

/** What a callback is shared by. */
export interface SharedCallbackOptions extends Pick<EnvironmentOptions, 'audience' | 'targetPrincipal'> {
  readonly username?: string | undefined;
}

/** Held weakly: a callback that no client uses any more takes its timers and tokens with it. */
const shared = new Map<string, WeakRef<OIDCCallback>>();

/**
 * The callback of an environment for an audience and a username; the same one for the same arguments, so that
 * a thousand clients make one token request.
 *
 * @param environment - undefined: to be found out
 */
export function sharedCallback(
  environment: EnvironmentName | undefined,
  { audience, targetPrincipal, username }: SharedCallbackOptions,
): OIDCCallback {
  const isFederated = environment === 'azure' && hasWorkloadIdentity();
  const key = JSON.stringify([environment, isFederated, audience, targetPrincipal, username]);
  const known = shared.get(key)?.deref();
  if (known) return known;
  const options = { audience, targetPrincipal };
  const callback = environment ? callbackOf(environment, options) : new EnvironmentCallback(options);
  shared.set(key, new WeakRef(callback));
  return callback;
}
