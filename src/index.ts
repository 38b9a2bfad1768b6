// Entry `mongodb-workload-identity`: what every environment shares, and connection strings.

export {
  type AccessToken,
  type GetTokenRequest,
  OIDCCallback,
  type OIDCCallbackContext,
  type OIDCCallbackOptions,
  type OIDCCallbackResult,
} from './callback.js';
export { workloadIdentity } from './connection-string.js';
export type { FetchEvent, OutageEvent, RefreshEvent, RetryEvent, TokenEvent } from './diagnostics.js';
export type { EnvironmentName } from './environment.js';
export { EnvironmentCallback, type EnvironmentCallbackOptions } from './environment-callback.js';
export { OIDCCallbackError, type OIDCCallbackErrorCode } from './errors.js';
export type { WorkloadIdentityOptions } from './workload.js';
