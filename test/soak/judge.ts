/** Tells which failures were nobody's fault, and whether the sources were asked in time. */
import type { Operation } from './service.js';
import type { IssuedToken, Outage, SourceLog, Trouble } from './source-log.js';

/** A source that is back is asked within this time. */
const RECOVERY_MS = 2_000;
/** For what else two busy cores have to do. */
const SLACK_MS = 500;
/** Of the server. */
const AUTHENTICATION_FAILED = 18;
const REAUTHENTICATION_REQUIRED = 391;
const ON_THE_WAY_MS = 500;
/** An attempt that the SDK holds on to, retrying by itself or unanswered, is overtaken after this share. */
const OVERTAKEN_AFTER = 1 / 3;

type Times = Pick<SourceLog, 'tokens' | 'outages' | 'troubles'>;

/** How long after a source's return an operation may still fail. */
export function recoveryBoundMS(latencyMS: number, timeoutMS: number): number {
  return RECOVERY_MS + latencyMS + OVERTAKEN_AFTER * timeoutMS + SLACK_MS;
}

/**
 * Whether an operation that failed then had no valid token to hope for: an outage had outlasted every token
 * that its source had issued, and it was not over for longer than the recovery may take.
 */
export function isExcused({ tokens, outages }: Times, failedAt: number, boundMS: number): boolean {
  return outages.some((outage) => {
    if (failedAt < outage.from || failedAt > outage.to + boundMS) return false;
    return validUntil(tokens, outage.from) < Math.min(failedAt, outage.to);
  });
}

/** Whether it outlasted what was left of the life of the last token. */
export function isLonger({ tokens }: Times, outage: Outage): boolean {
  return validUntil(tokens, outage.from) < outage.to;
}

/** Whether nothing was wrong with the source while it ran, nor shortly before. */
export function isUntroubled({ troubles }: Times, from: number, to: number, boundMS: number): boolean {
  return !troubles.some((trouble: Trouble) => trouble.from < to && trouble.to + boundMS > from);
}

/** How many of the token lives without trouble had the next token before their end. */
export function punctuality(times: Times, endedAt: number): { ahead: number; late: number } {
  const { tokens } = times;
  const lives = tokens.filter(
    ({ at, expiresAt }) => expiresAt < endedAt && isUntroubled(times, at, expiresAt, 0),
  );
  const ahead = lives.filter(({ at, expiresAt }) =>
    tokens.some((next) => next.at > at && next.at < expiresAt),
  ).length;
  return { ahead, late: lives.length - ahead };
}

/**
 * Whether a token expired on the way: a driver that is told to reauthenticate takes the token that it has itself,
 * without asking its callback, and tries the operation once more. Of tokens that live 5 s one is then sometimes
 * over before that arrives, and the operation fails with the server's error.
 */
export function hasExpiredOnTheWay({ tokens }: Times, { failure, to }: Operation): boolean {
  if (failure?.code !== REAUTHENTICATION_REQUIRED && failure?.code !== AUTHENTICATION_FAILED) return false;
  return tokens.some(({ expiresAt }) => expiresAt <= to && to - expiresAt < ON_THE_WAY_MS);
}

export function hasOurCode({ failure }: Operation): boolean {
  return String(failure?.code).startsWith('ERR_OIDC_');
}

/** Until when the tokens issued up to then are good. */
export function validUntil(tokens: readonly IssuedToken[], time: number): number {
  let latest = 0;
  for (const { at, expiresAt } of tokens) if (at <= time && expiresAt > latest) latest = expiresAt;
  return latest;
}
