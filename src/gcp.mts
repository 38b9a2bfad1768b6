// The ESM side of gcp.ts: one implementation, so that `import` and `require` share classes and callbacks.

export * from './gcp.js';
