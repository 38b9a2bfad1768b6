// A token is revoked while its source is out of order: operations fail with what is wrong, and succeed as soon as
// the source is back, on drivers with NODE-7858 too.

import assert from 'node:assert/strict';
import type { Fault } from '../emulators/http.js';
import { startMongoServer } from '../emulators/mongodb/index.js';
import { startTokenSource } from '../life/token-source.js';
import { Program } from './program.js';
import { eventually, type Scenario } from './scenario.js';

const audience = 'mongodb';
/** What the source's faults are waited for. */
const timeoutMS = 3_000;

const faults: readonly { readonly fault: Fault; readonly code: string }[] = [
  { fault: { kind: 'status', status: 403 }, code: 'ERR_OIDC_ACCESS_DENIED' },
  { fault: { kind: 'status', status: 503 }, code: 'ERR_OIDC_SOURCE_UNREACHABLE' },
  { fault: { kind: 'hang' }, code: 'ERR_OIDC_TIMEOUT' },
];

/** What an operation failed with; null where it succeeded. */
type Outcome = { name: string; code: string | number; message: string; isOfThePackage: boolean } | null;

export const recovery: Scenario = {
  name: 'refresh failure and recovery',
  async run({ launch }) {
    const source = await startTokenSource({ lifeMS: 60_000 });
    const { issuer, jwksUri } = source;
    const server = await startMongoServer({
      identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'life' }],
    });
    const settings = { uri: server.uri, poolSize: 1, url: source.url, audience, timeoutMS };
    const program = new Program(launch('operations.mjs'), { PROGRAM: JSON.stringify(settings) });
    const operate = () => program.ask<Outcome>({ question: 'operate' });
    const expectFailure = async (code: string) => {
      const outcome = await operate();
      assert.ok(outcome, `it succeeded instead of ${code}`);
      const { message, ...essence } = outcome;
      assert.deepEqual(essence, { name: 'OIDCCallbackError', code, isOfThePackage: true }, message);
    };
    try {
      assert.equal(await operate(), null);
      for (const { fault, code } of faults) {
        const { reauthenticationRequired } = server.stats;
        source.setFault(fault);
        await program.ask({ question: 'invalidate' });
        server.revokeTokens();
        await expectFailure(code);
        // It was the refresh of a client that failed, and not the first token of a connection.
        assert.ok(server.stats.reauthenticationRequired > reauthenticationRequired);
        await expectFailure(code);

        source.setFault(undefined);
        await eventually(async () => (await operate()) === null, `a success after ${code}`);
        assert.equal(await operate(), null);
      }
      assert.deepEqual(server.authFailures, []);
      assert.equal(server.stats.authenticationFailures, 0);
    } finally {
      await program.close();
      await Promise.all([server.close(), source.close()]);
    }
  },
};
