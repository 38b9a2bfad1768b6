// A token source that a test plays, and what is reported meanwhile.

import { channel } from 'node:diagnostics_channel';
import { onTestFinished } from 'vitest';
import { OIDCCallbackError } from '../../src/errors.js';
import type { CachedToken, LoadRequest, Patience, TokenKey, TokenSource } from '../../src/token-source.js';
import { type Deferred, deferred } from './promises.js';

export const KEY: TokenKey = { audience: 'mongodb', username: undefined };
export const patient: Patience = { timeoutMS: 30_000, signal: undefined };

/** A token received now that lives for so long. */
export function token(
  value: string,
  lifeMS: number | undefined = 3_600_000,
  more: Partial<CachedToken> = {},
): CachedToken {
  return {
    value,
    receivedAt: Date.now(),
    expiresAt: lifeMS === undefined ? undefined : Date.now() + lifeMS,
    refreshAfter: undefined,
    ...more,
  };
}

export const tokenWithoutExpiry = (value: string): CachedToken => token(value, 0, { expiresAt: undefined });

export const denied = (): OIDCCallbackError => new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'no');
export const throttled = (): OIDCCallbackError => new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'throttled');

/** One request at the source, which the test answers. */
export interface Asked extends Deferred<CachedToken>, LoadRequest {
  /** Milliseconds since the source was made. */
  readonly atMS: number;
}

/** A source that gives each request to `answer`, and keeps it. */
export function tokenSource(
  answer: (request: Asked, count: number) => void = () => {},
  options: Partial<TokenSource> = {},
) {
  const asked: Asked[] = [];
  const beganAt = performance.now();
  const source: TokenSource = {
    name: 'TestCallback',
    timeoutMS: 30_000,
    refreshAhead: true,
    load(of) {
      const request: Asked = { ...deferred<CachedToken>(), ...of, atMS: performance.now() - beganAt };
      asked.push(request);
      answer(request, asked.length);
      return request.promise;
    },
    ...options,
  };
  return {
    source,
    asked,
    /** The request of that number, 0 for the first. */
    request(index: number): Asked {
      const one = asked[index];
      if (!one) throw new Error(`the source was asked ${asked.length} times, not ${index + 1}`);
      return one;
    },
    times: () => asked.map(({ atMS }) => atMS),
  };
}

/** What is published on a channel for the rest of the test. */
export function published<T = Record<string, unknown>>(name: string): T[] {
  const events: T[] = [];
  const listen = (event: unknown) => void events.push(event as T);
  channel(name).subscribe(listen);
  onTestFinished(() => void channel(name).unsubscribe(listen));
  return events;
}
