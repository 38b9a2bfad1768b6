// Prints how long the import of a module takes, in milliseconds, with the driver imported before.
import { createRequire } from 'node:module';

const [name, how] = process.argv.slice(2);
const require = createRequire(import.meta.url);
if (name !== 'mongodb') require('mongodb');
const startedAt = performance.now();
if (how === 'require') require(name);
else await import(name);
console.log(JSON.stringify(performance.now() - startedAt));
