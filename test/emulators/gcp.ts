/** The Google Cloud services that hand out tokens: metadata server, IAM Credentials, OAuth token endpoint. */
export { type GcpIamEmulator, type GcpIamOptions, startGcpIam } from './gcp/iam.js';
export { type GcpMetadataEmulator, type GcpMetadataOptions, startGcpMetadata } from './gcp/metadata.js';
export { defaultServiceAccount, type ServiceAccount } from './gcp/service-account.js';
