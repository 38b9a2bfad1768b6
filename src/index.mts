// The ESM side of index.ts: one implementation, so that `import` and `require` share classes and callbacks.

export * from './index.js';
