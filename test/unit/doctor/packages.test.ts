import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findDriver, findSDK, isAtLeast } from '../../../src/doctor/packages.js';

const installed = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** A program's folder. */
let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'packages-')));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

async function install(name: string, from = name): Promise<void> {
  const link = join(folder, 'node_modules', name);
  await mkdir(dirname(link), { recursive: true });
  await symlink(join(installed, from), link);
}

describe('the driver', () => {
  it('is that of the program, whatever is beside this package', async () => {
    await install('mongodb', 'mongodb-6.22');
    const driver = findDriver();
    expect(driver).toMatchObject({ version: '6.22.0' });
    expect(driver).not.toHaveProperty('through');
    expect(driver?.load()).toHaveProperty('MongoClient');
  });

  it('is that of mongoose, where the program has none of its own', async () => {
    await install('mongoose');
    expect(findDriver()).toMatchObject({ version: expect.stringMatching(/^7\./), through: 'mongoose' });
  });

  it("is the program's own beside mongoose", async () => {
    await install('mongoose');
    await install('mongodb', 'mongodb-7.0');
    expect(findDriver()).toMatchObject({ version: '7.0.0' });
    expect(findDriver()).not.toHaveProperty('through');
  });

  it('is the one beside this package, where the program has none', () => {
    expect(findDriver()).toMatchObject({ version: expect.stringMatching(/^7\./) });
  });
});

describe('an SDK', () => {
  it('is found although it does not export its manifest', () => {
    expect(findSDK('@azure/identity')?.version).toMatch(/^4\./);
    expect(findSDK('google-auth-library')?.version).toMatch(/^10\./);
  });

  it('is what this package would load, not what is in the folder of the program', async () => {
    const path = join(folder, 'node_modules', 'only-there');
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'package.json'), '{ "name": "only-there", "version": "1.0.0" }');
    await writeFile(join(path, 'index.js'), '');
    expect(findSDK('only-there')).toBeUndefined();
  });

  it('is none where it is not installed', () => {
    expect(findSDK('no-such-package')).toBeUndefined();
  });
});

describe('a version', () => {
  it.each([
    ['6.17.0', true],
    ['6.16.9', false],
    ['6.22.0', true],
    ['7.0.0', true],
    ['5.99.0', false],
    ['6.17.0-beta.1', true],
  ])('%s is 6.17 or later: %s', (version, is) => {
    expect(isAtLeast(version, 6, 17)).toBe(is);
  });
});
