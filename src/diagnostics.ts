// What this package reports while it works, on Node's own diagnostics channels. Free when no one listens.

import { channel, tracingChannel } from 'node:diagnostics_channel';
import { type OIDCCallbackError, type OIDCCallbackErrorCode, toCallbackError } from './errors.js';

/** What every event says of the token that it is about. No event holds a token. */
export interface TokenEvent {
  /** The class of the callback, such as `AzureManagedIdentityCallback`. */
  readonly environment: string;
  /** Whom the token is for. */
  readonly audience: string | undefined;
  /** The driver's `username`. */
  readonly username: string | undefined;
}

/**
 * One attempt at a token source, on the tracing channel `mongodb-workload-identity.fetch`. What comes after
 * `attempt` is there from `asyncEnd` on.
 */
export interface FetchEvent extends TokenEvent {
  /** 1 for the first of a fetch. */
  readonly attempt: number;
  /** What came of the attempt. */
  outcome?: 'token' | 'error';
  /** How long it took, in milliseconds. */
  durationMS?: number;
  /** Of the token. */
  expiresAt?: Date | undefined;
  /** Of the failure. */
  code?: OIDCCallbackErrorCode;
  /** The failure itself. */
  readonly error?: OIDCCallbackError;
}

/** An attempt failed and another follows, on `mongodb-workload-identity.retry`. */
export interface RetryEvent extends TokenEvent {
  /** The one that failed: 1 for the first of a fetch. */
  readonly attempt: number;
  /** Of its failure. */
  readonly code: OIDCCallbackErrorCode;
  /** Time until the next attempt, in milliseconds. */
  readonly backoffMS: number;
}

/** A token was refreshed ahead of its expiry, or could not be, on `mongodb-workload-identity.refresh`. */
export interface RefreshEvent extends TokenEvent {
  /** `unchanged`: the source has no newer token yet. */
  readonly outcome: 'renewed' | 'unchanged' | 'failed';
}

/** The source fails and the token in memory goes on serving, on `mongodb-workload-identity.outage`. */
export interface OutageEvent extends TokenEvent {
  /** Of the failure. */
  readonly code: OIDCCallbackErrorCode;
  /** What the source failed with. */
  readonly error: OIDCCallbackError;
  /** Until when the token in memory serves. */
  readonly expiresAt: Date | undefined;
}

const fetches = tracingChannel<unknown, FetchEvent>('mongodb-workload-identity.fetch');
const retries = channel('mongodb-workload-identity.retry');
const refreshes = channel('mongodb-workload-identity.refresh');
const outages = channel('mongodb-workload-identity.outage');

/** Runs one attempt inside the tracing channel. */
export async function traceAttempt<T extends { readonly expiresAt: number | undefined }>(
  begin: () => FetchEvent,
  load: () => Promise<T>,
): Promise<T> {
  if (!fetches.hasSubscribers) return load();
  const event = begin();
  const startedAt = performance.now();
  let loaded: T | undefined;
  // A tracing channel publishes what its promise resolves with: so it resolves with nothing.
  await fetches.tracePromise(async () => {
    try {
      loaded = await load();
      event.outcome = 'token';
      event.expiresAt = toDate(loaded.expiresAt);
    } catch (reason) {
      const error = toCallbackError(reason);
      event.outcome = 'error';
      event.code = error.code;
      throw error;
    } finally {
      event.durationMS = performance.now() - startedAt;
    }
  }, event);
  return loaded as T;
}

export function reportRetry(event: RetryEvent): void {
  retries.publish(event);
}

export function reportRefresh(event: RefreshEvent): void {
  refreshes.publish(event);
}

export function reportOutage(event: OutageEvent): void {
  outages.publish(event);
}

/** Milliseconds since the epoch as events have them. */
export function toDate(time: number | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}
