// The ESM side of index.ts: one implementation, so that `import` and `require` share classes and callbacks. A
// CommonJS module has names besides its exports, so they are listed.

export type * from './index.js';
export { EnvironmentCallback, OIDCCallback, OIDCCallbackError, workloadIdentity } from './index.js';
