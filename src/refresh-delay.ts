// When to fetch the next token.

/** What the time of the next fetch depends on. Times are milliseconds since the epoch. */
export interface TokenLife {
  readonly receivedAt: number;
  readonly expiresAt: number | undefined;
  /** When the source says that a next token can be had. */
  readonly refreshAfter: number | undefined;
}

const SHARE_OF_LIFE = 0.8;
/** Pods that are deployed together spread. */
const JITTER = 0.05;
/** A refresh that lands at expiry stalls a pool like none at all, so there is time for as many slow fetches. */
const FETCHES_BEFORE_EXPIRY = 3;
const SHORTEST_DELAY_MS = 5_000;
const SHORTEST_SHARE_OF_LIFE = 0.1;
/** A token that lives no longer is as good as expired on arrival: a clock is wrong by nearly its whole life. */
const SHORTEST_LIFE_MS = 1_000;
/** `setTimeout` fires at once for what 31 bits cannot hold. */
const LONGEST_DELAY_MS = 12 * 60 * 60 * 1_000;
/** While a source fails, a valid token is a reason to wait, but not for long. */
const LONGEST_DELAY_AFTER_FAILURE_MS = 30_000;

/**
 * Milliseconds from `now` until the next fetch; undefined where no timer makes sense: a token without expiry,
 * or (as good as) expired on arrival.
 *
 * @param fetchMS - how long the last fetch took
 */
export function refreshDelayMS(life: TokenLife, now: number, fetchMS: number): number | undefined {
  const { expiresAt, refreshAfter = Number.POSITIVE_INFINITY } = life;
  if (expiresAt === undefined) return undefined;
  const remainingMS = expiresAt - now;
  if (remainingMS < SHORTEST_LIFE_MS) return undefined;
  const shareMS = SHARE_OF_LIFE * remainingMS * (1 + JITTER * (2 * Math.random() - 1));
  // Earlier than the source says would only bring the same token again.
  const saidMS = (refreshAfter - now) * (1 + JITTER * Math.random());
  const latestMS = remainingMS - FETCHES_BEFORE_EXPIRY * fetchMS;
  return limited(Math.min(shareMS, saidMS, latestMS), life);
}

/** The same after the source brought nothing new; undefined when there is no time left for another look. */
export function nextLookMS(life: TokenLife, now: number, hasFailed: boolean): number | undefined {
  const { expiresAt, refreshAfter = 0 } = life;
  if (expiresAt === undefined) return undefined;
  const halfMS = (expiresAt - now) / 2;
  if (halfMS < shortestMS(life)) return undefined;
  const saidMS = refreshAfter > now ? refreshAfter - now : Number.POSITIVE_INFINITY;
  return limited(Math.min(halfMS, hasFailed ? LONGEST_DELAY_AFTER_FAILURE_MS : saidMS), life);
}

function limited(delayMS: number, life: TokenLife): number {
  return Math.min(LONGEST_DELAY_MS, Math.max(shortestMS(life), delayMS));
}

function shortestMS({ receivedAt, expiresAt = receivedAt }: TokenLife): number {
  return Math.min(SHORTEST_DELAY_MS, SHORTEST_SHARE_OF_LIFE * (expiresAt - receivedAt));
}
