import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CompiledSource, compileSource } from './compiled-source.js';

const script = `
const warnings = [];
process.on('warning', ({ code, message }) => warnings.push({ code, message }));
const { warnOfOldDriver } = load('driver-version');
warnOfOldDriver();
warnOfOldDriver();
setImmediate(() => console.log(JSON.stringify(warnings)));
`;

let source: CompiledSource;
let driver: string;
beforeAll(() => {
  source = compileSource();
  driver = join(source.folder, 'node_modules', 'mongodb');
});
afterEach(() => rm(driver, { recursive: true, force: true }));
afterAll(() => source.remove());

async function warningsWith(manifest: string): Promise<unknown> {
  await mkdir(driver, { recursive: true });
  await writeFile(join(driver, 'package.json'), manifest);
  return source.run(script);
}

describe('a driver that is installed beside the package', () => {
  it.each(['5.9.2', '6.7.0', '6.16.0', '6.16.0-beta.1'])(
    'is too old: %s, which is said once',
    async (version) => {
      expect(await warningsWith(JSON.stringify({ version }))).toEqual([
        {
          code: 'OIDC_OLD_DRIVER',
          message: expect.stringMatching(
            new RegExp(`^mongodb ${version} is .+: npm install mongodb@\\^6\\.17\\.0$`),
          ),
        },
      ]);
    },
  );

  it.each(['6.17.0', '6.100.1', '7.0.0', '10.1.0'])('is new enough: %s', async (version) => {
    expect(await warningsWith(JSON.stringify({ version }))).toEqual([]);
  });

  it.each(['{}', '{"version":7}', '{"version":"next"}', '{', 'null'])(
    'has a manifest that says nothing: %s',
    async (manifest) => {
      expect(await warningsWith(manifest)).toEqual([]);
    },
  );

  it('is not there', async () => {
    expect(await source.run(script)).toEqual([]);
  });
});
