// The ESM side of kubernetes.ts: one implementation, so that `import` and `require` share classes and callbacks.

export * from './kubernetes.js';
