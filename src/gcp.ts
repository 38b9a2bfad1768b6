// Entry `mongodb-workload-identity/gcp`: tokens from Google Cloud.

export { GcpCallback, type GcpCallbackOptions } from './gcp-default.js';
export { GcpMetadataCallback, type GcpMetadataCallbackOptions } from './gcp-metadata.js';
export { GkeCallback, type KubernetesCallbackOptions as GkeCallbackOptions } from './kubernetes-token.js';
