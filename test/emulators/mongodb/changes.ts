/**
 * What was written, for those who watch: the part of a replica set's oplog that change streams read. Neither what
 * transactions write nor what is done to whole collections is in it.
 */
import { EventEmitter, once } from 'node:events';
import { type Document, Timestamp } from 'bson';
import { CommandError } from './errors.js';

/** Enough for a stream to be taken up again after a lost connection. */
const KEPT = 10_000;

export interface Change {
  operationType: 'insert' | 'update' | 'replace' | 'delete';
  db: string;
  coll: string;
  before?: Document | undefined;
  after?: Document | undefined;
}

/** Times are BSON timestamps as integers, so that they can be compared. */
export type TimedChange = Change & { at: bigint; wallTime: Date };

export class Changes {
  readonly #kept: TimedChange[] = [];
  readonly #told = new EventEmitter().setMaxListeners(0);
  #forgottenUntil: bigint;
  #time = 0n;

  constructor(readonly supported: boolean) {
    this.#tick();
    this.#forgottenUntil = this.#time - 1n;
  }

  /** That of the last change. */
  get time(): bigint {
    return this.#time;
  }

  record(change: Change): void {
    if (!this.supported) return;
    this.#tick();
    this.#kept.push({ ...change, at: this.#time, wallTime: new Date() });
    if (this.#kept.length > KEPT) this.#forgottenUntil = this.#kept.shift()?.at ?? 0n;
    this.#told.emit('change');
  }

  after(time: bigint): TimedChange[] {
    if (time < this.#forgottenUntil) {
      throw new CommandError(
        286,
        'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
        { errorLabels: ['NonResumableChangeStreamError'] },
      );
    }
    return this.#kept.slice(this.#kept.findLastIndex(({ at }) => at <= time) + 1);
  }

  /** Resolves with the next change, or when the signal is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    await once(this.#told, 'change', { signal }).catch(() => {});
  }

  /** Seconds in the upper half, a serial number within the second in the lower; never the same twice. */
  #tick(): void {
    const second = BigInt(Math.floor(Date.now() / 1000)) << 32n;
    this.#time = (this.#time < second ? second : this.#time) + 1n;
  }
}

export function toTimestamp(time: bigint): Timestamp {
  return new Timestamp(time);
}
