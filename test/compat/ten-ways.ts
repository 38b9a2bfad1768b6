// The ten ways, end to end: the cell's driver and SDKs against emulators, until a token has expired and longer.

import assert from 'node:assert/strict';
import { runWay, type WayOutcome } from '../ways/run-way.js';
import { type Way, ways } from '../ways/ways.js';
import type { Scenario } from './scenario.js';

/** An expiry takes as long as a life does; a fifth of it is the time that a busy machine has for the next token. */
const lifeSeconds = 6;

export const wayScenarios: readonly Scenario[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => ({
  name: `way ${number}`,
  async run({ launch, variant }) {
    const variants = ways.filter((way) => way.number === number);
    const way = variants[variant % variants.length];
    if (!way) throw new Error('no such way');
    const outcome = await runWay(way, { lifeSeconds, client: launch('client.mjs') });
    try {
      judge(way, outcome);
    } catch (error) {
      throw new Error(`${way.id}: ${(error as Error).message}`);
    }
  },
}));

function judge(way: Way, { report, failure, server, source }: WayOutcome): void {
  if (!report) throw new Error(`${failure}\nRefused by the server: ${server.authFailures}`);
  const { issuer, authNamePrefix } = source.provider;
  const user = `${authNamePrefix}/${way.subject}`;
  const { callback, users, found } = report;
  assert.deepEqual(
    { callback, users, found },
    { callback: way.callback, users: [user], found: { _id: way.id, articles: 3 } },
  );
  assert.deepEqual(server.authFailures, []);
  const { authentications, reauthentications } = server.stats;
  assert.ok(reauthentications >= 1, 'the token expired, and no connection reauthenticated');
  assert.equal(
    report.reauthenticationsRequired,
    reauthentications,
    'not every refusal led to one reauthentication',
  );
  const claims = server.claims.map(({ iss, aud, sub }) => ({ iss, aud: [aud].flat(), sub }));
  const expected = { iss: issuer, aud: [way.audience], sub: way.subject };
  assert.deepEqual(
    claims,
    Array.from({ length: authentications + reauthentications }, () => expected),
  );
}
