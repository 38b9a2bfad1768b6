/** What befalls a source, one thing after another, each somewhere in the life of a token. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HTTP_KINDS, SLOW } from './http-source.js';
import type { Random } from './random.js';
import { LIFE_SECONDS, type Source } from './source.js';

/** Longer by this than what was left of the token: from a moment to more than a caller's patience. */
const LONGER_MS = [1_000, 8_000] as const;
const LENGTHS = ['long', 'short', 'short', 'short'] as const;
const EVENTS = ['outage', 'outage', 'outage', 'stumble', 'quiet'] as const;

/** Runs until `signal` is aborted, and mends what it broke. `kindOfOutage` says what the next outage is. */
export async function weather(
  source: Source,
  random: Random,
  kindOfOutage: () => string,
  signal: AbortSignal,
): Promise<void> {
  const kindOfStumble = random.deck(source.seesRequests ? [...HTTP_KINDS, SLOW] : source.kinds);
  const length = random.deck(LENGTHS);
  const next = random.deck(EVENTS);
  // A minute has time for few outages, and the file, which has kinds of its own, is to have each.
  const outagesFirst = source.seesRequests ? 0 : source.kinds.length;
  for (let count = 1; !signal.aborted; count += 1) {
    const event = count <= outagesFirst ? 'outage' : next();
    await source.nextToken(signal);
    if (event === 'quiet') await pause(random.between(1, 2) * LIFE_SECONDS * 1_000, signal);
    // Late in a life more often than not: that is where the next token is asked for.
    else await pause(random.between(0.4, 0.95) * remainingMS(source), signal);
    if (signal.aborted) return;
    if (event === 'stumble') await source.stumble(kindOfStumble(), Math.ceil(random.between(0, 3)));
    if (event !== 'outage') continue;
    const mend = await source.breakDown(kindOfOutage());
    const lastsMS =
      length() === 'long'
        ? remainingMS(source) + random.between(...LONGER_MS)
        : random.between(0.3, 0.9) * remainingMS(source);
    await pause(lastsMS, signal);
    await mend();
  }
}

function remainingMS(source: Source): number {
  return Math.max(0, source.validUntil() - Date.now());
}

async function pause(durationMS: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMS, undefined, { signal }).catch(() => {});
}
