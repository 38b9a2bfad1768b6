// The ESM side of azure.ts: one implementation, so that `import` and `require` share classes and callbacks.

export * from './azure.js';
