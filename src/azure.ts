// Entry `mongodb-workload-identity/azure`: tokens from Microsoft Entra ID.

export { AzureCallback, type AzureCallbackOptions } from './azure-default.js';
export {
  AzureManagedIdentityCallback,
  type AzureManagedIdentityCallbackOptions,
} from './azure-managed-identity.js';
export {
  AzureWorkloadIdentityCallback,
  type AzureWorkloadIdentityCallbackOptions,
} from './azure-workload-identity.js';
export { AZURE_DOCUMENTDB, type AzureDocumentDB } from './documentdb.js';
