// Part of `npm pack`: makes the command one small file. It is not read and not debugged by those who install it, but
// half of what they download.

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const folder = fileURLToPath(new URL('../dist/doctor', import.meta.url));
const command = join(folder, 'cli.js');

const { outputFiles } = await build({
  entryPoints: [command],
  bundle: true,
  minify: true,
  charset: 'utf8',
  platform: 'node',
  target: 'node20',
  write: false,
  plugins: [
    {
      name: 'the rest of the package stays as it is',
      setup({ onResolve }) {
        onResolve({ filter: /^\.\.\// }, ({ path }) => ({ path, external: true }));
      },
    },
  ],
});
const [bundled] = outputFiles;
if (!bundled) throw new Error('esbuild wrote nothing');
for (const name of readdirSync(folder)) rmSync(join(folder, name));
writeFileSync(command, bundled.contents);
