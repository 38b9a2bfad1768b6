// A token expires under a busy pool, twice. That the next one was in memory shows in the counts: no call but the
// first waits, and the driver makes about one for each rollover instead of one for each connection.

import assert from 'node:assert/strict';
import { startMongoServer } from '../emulators/mongodb/index.js';
import { startTokenSource } from '../life/token-source.js';
import { Program } from './program.js';
import { eventually, type Scenario } from './scenario.js';

const audience = 'mongodb';
/** A fifth of it is the time that a busy machine has for the next token. */
const lifeMS = 12_000;
const latencyMS = 300;
const poolSize = 10;
const rollovers = 2;
/** What an operation takes at the server, so that all connections are in use at the same time. */
const WORK_MS = 100;

interface Report {
  readonly operations: number;
  readonly failures: readonly object[];
  /** How often the driver called the callback. */
  readonly calls: number;
  /** How many of the calls had to wait, because there was no token in memory. */
  readonly waits: number;
}

export const rollover: Scenario = {
  name: 'rollover under load',
  async run({ launch, isLenient }) {
    const source = await startTokenSource({ lifeMS, workMS: latencyMS });
    const { issuer, jwksUri } = source;
    const server = await startMongoServer({
      identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'life' }],
    });
    const settings = { uri: server.uri, poolSize, url: source.url, audience };
    const program = new Program(launch('operations.mjs'), { PROGRAM: JSON.stringify(settings) });
    try {
      assert.equal(await program.ask({ question: 'operate' }), null);
      server.failNext('ping', { delayMS: WORK_MS }, Number.POSITIVE_INFINITY);
      await program.ask({ question: 'work' });
      const look = () => program.ask<Report>({ question: 'report' });
      await eventually(async () => {
        const isOver = server.stats.reauthentications >= rollovers * poolSize;
        return isOver || (await look()).failures.length > 0;
      }, 'every connection reauthenticated twice');
      const { operations, failures, calls, waits } = await look();
      const requests = source.arrivals.length;
      const tokens = new Set(server.claims.map(({ jti }) => jti)).size;
      assert.deepEqual(failures, []);
      assert.deepEqual(server.authFailures, []);
      assert.equal(server.stats.authentications, poolSize);
      assert.equal(tokens, 1 + rollovers);
      assert.ok(operations >= 10 * poolSize, `only ${operations} operations`);
      assert.ok(Math.abs(requests - tokens) <= 1, `${requests} requests for ${tokens} tokens`);
      assert.equal(waits, 1, `${waits} of ${calls} calls had to wait`);
      assert.ok(calls >= tokens, `${calls} calls for ${tokens} tokens`);
      if (!isLenient) assert.ok(calls <= 2 * tokens, `${calls} calls for ${tokens} tokens`);
    } finally {
      await program.close();
      await Promise.all([server.close(), source.close()]);
    }
  },
};
