// The ESM side of gcp.ts: one implementation, so that `import` and `require` share classes and callbacks. A
// CommonJS module has names besides its exports, so they are listed.

export type * from './gcp.js';
export { GcpCallback, GcpMetadataCallback, GkeCallback } from './gcp.js';
