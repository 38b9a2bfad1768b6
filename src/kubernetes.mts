// The ESM side of kubernetes.ts: one implementation, so that `import` and `require` share classes and callbacks. A
// CommonJS module has names besides its exports, so they are listed.

export type * from './kubernetes.js';
export { KubernetesCallback } from './kubernetes.js';
