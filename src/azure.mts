// The ESM side of azure.ts: one implementation, so that `import` and `require` share classes and callbacks. A
// CommonJS module has names besides its exports, so they are listed.

export type * from './azure.js';
export {
  AZURE_DOCUMENTDB,
  AzureCallback,
  AzureManagedIdentityCallback,
  AzureWorkloadIdentityCallback,
} from './azure.js';
