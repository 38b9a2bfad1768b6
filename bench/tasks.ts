/** What is compared, what one measurement is told, and what comes of it. */
import type { Fault } from '../test/emulators/http.js';

export const subjects = ['ours', 'careful', 'documented', 'builtin'] as const;
export type Subject = (typeof subjects)[number];

export const names: Readonly<Record<Subject, string>> = {
  ours: 'this package',
  careful: 'hand-written, careful',
  documented: 'hand-written, as documented',
  builtin: 'built-in ENVIRONMENT',
};

interface Common {
  readonly subject: Subject;
  /** Of the metadata service. */
  readonly latencyMS: number;
}

interface Expiry extends Common {
  readonly pool: number;
  /** Of the token that expires. */
  readonly lifeSeconds: number;
  /** Of those that come after it. */
  readonly nextLifeSeconds: number;
}

export interface RolloverTask extends Expiry {
  readonly kind: 'rollover';
  /** Whether all operations begin at the same instant, and not one after another. */
  readonly isBurst: boolean;
}

export interface StartTask extends Common {
  readonly kind: 'start';
  readonly clients: number;
}

export interface OutageTask extends Expiry {
  readonly kind: 'outage';
  readonly fault: Fault;
  /** How many requests in a row meet the fault, at each of the two moments. */
  readonly times: number;
}

export type Task = RolloverTask | StartTask | OutageTask;

interface Requests {
  /** To the metadata service; of a rollover and of an outage, those since the first token. */
  readonly requests: number;
  /** The largest number of them at the same time. */
  readonly maxConcurrent: number;
}

export interface RolloverOutcome extends Requests {
  /** When each started, in milliseconds after the expiry, and how long it took. */
  readonly operations: readonly (readonly [startedMS: number, tookMS: number])[];
  readonly failures: number;
  /** The token expired before the pool was full, which says nothing of a rollover. */
  readonly isTooLate: boolean;
}

export interface StartOutcome extends Requests {
  /** Until each client has done an operation. */
  readonly readyMS: number;
  readonly failures: number;
}

/** The first token, or the next one while the pool is in use. */
export type Moment = 'first' | 'refresh';

export interface OutageOutcome extends Requests {
  readonly failures: Readonly<Record<Moment, number>>;
  readonly slowestMS: Readonly<Record<Moment, number>>;
  /** Whether all went well again in the end. */
  readonly recovered: Readonly<Record<Moment, boolean>>;
}

export type Outcome = RolloverOutcome | StartOutcome | OutageOutcome;

export interface Outcomes {
  rollover: RolloverOutcome;
  start: StartOutcome;
  outage: OutageOutcome;
}
