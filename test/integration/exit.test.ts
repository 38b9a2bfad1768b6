// A program ends when its work has, whatever its token source does.
import { describe, expect, it } from 'vitest';
import { startAzureImds } from '../emulators/azure.js';
import { run } from '../emulators/child.js';
import { startGcpMetadata } from '../emulators/gcp.js';

/** The driver's own limit of a callback is 60 s; Kubernetes kills a pod 30 s after it has asked it to stop. */
const KILLED_AFTER_MS = 45_000;

const program = (entry: string, className: string) => `
  import { MongoClient } from 'mongodb';
  import { ${className} } from 'mongodb-workload-identity/${entry}';
  const callback = new ${className}({ audience: 'mongodb', timeoutMS: 1_000 });
  const client = new MongoClient('mongodb://127.0.0.1:1/', {
    authMechanism: 'MONGODB-OIDC',
    authMechanismProperties: { OIDC_CALLBACK: callback },
  });
  const { code } = await callback.fetch().catch((error) => error);
  await client.close();
  console.log(code);
`;

describe('a program whose source refuses connections', () => {
  it.concurrent.each([
    ['azure', 'AzureManagedIdentityCallback', startAzureImds],
    ['gcp', 'GcpMetadataCallback', startGcpMetadata],
  ] as const)('ends by itself: %s', async (entry, className, start) => {
    const emulator = await start();
    // From now on nothing listens there.
    await emulator.close();
    const { code, stdout } = await run(process.execPath, ['--input-type=module', '-'], {
      env: { ...emulator.env },
      input: program(entry, className),
      timeoutMS: KILLED_AFTER_MS,
    });
    expect(stdout).toMatch(/^ERR_OIDC_(TIMEOUT|SOURCE_UNREACHABLE)\n$/);
    expect(code).toBe(0);
  });
});
