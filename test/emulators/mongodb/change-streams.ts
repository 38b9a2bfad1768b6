/**
 * `$changeStream`, a tailable cursor that waits for data.
 * https://www.mongodb.com/docs/manual/reference/operator/aggregation/changeStream/ and, for the events,
 * https://www.mongodb.com/docs/manual/reference/change-events/
 */
import type { Document, Timestamp } from 'bson';
import { type TimedChange, toTimestamp } from './changes.js';
import type { CommandContext } from './context.js';
import type { Batch, Tail } from './cursors.js';
import { CommandError } from './errors.js';
import { find, piped } from './query.js';
import { isSame } from './values.js';

/** The reply of an `aggregate` that begins with the stage. */
export function openChangeStream(
  context: CommandContext,
  /** Undefined: a database, or all of them. */
  collection: string | undefined,
  specification: Document,
  stages: Document[],
): Document {
  const { command, db, state } = context;
  if (!state.changes.supported) {
    throw new CommandError(40573, 'The $changeStream stage is only supported on replica sets');
  }
  return {
    ...state.cursors.follow(
      `${db}.${collection ?? '$cmd.aggregate'}`,
      new ChangeStream(context, collection, specification, stages),
      command.cursor?.batchSize,
    ),
    // Every reply of a real replica set has it; here only where a driver starts from it.
    operationTime: toTimestamp(state.changes.time),
  };
}

class ChangeStream implements Tail {
  readonly #context: CommandContext;
  readonly #collection: string | undefined;
  readonly #specification: Document;
  readonly #stages: Document[];
  #position: bigint;

  constructor(
    context: CommandContext,
    collection: string | undefined,
    specification: Document,
    stages: Document[],
  ) {
    const { fullDocument = 'default' } = specification;
    if (fullDocument !== 'default' && fullDocument !== 'updateLookup') {
      throw new CommandError(238, `fullDocument: '${fullDocument}' is not supported`);
    }
    this.#context = context;
    this.#collection = collection;
    this.#specification = specification;
    this.#stages = stages;
    this.#position = startOf(specification) ?? context.state.changes.time;
  }

  read(limit: number): Batch {
    const { changes } = this.#context.state;
    const documents: Document[] = [];
    let isLastWatched = false;
    for (const change of changes.after(this.#position)) {
      if (documents.length >= limit) break;
      const events = this.#isWatched(change) ? piped([this.#eventOf(change)], this.#stages, {}) : [];
      documents.push(...events);
      this.#position = change.at;
      isLastWatched = events.length > 0;
    }
    return { documents, resumeToken: resumeToken(this.#position, isLastWatched) };
  }

  more(signal: AbortSignal): Promise<void> {
    return this.#context.state.changes.next(signal);
  }

  #isWatched({ db, coll }: TimedChange): boolean {
    if (this.#specification.allChangesForCluster) return true;
    return db === this.#context.db && coll === (this.#collection ?? coll);
  }

  #eventOf(change: TimedChange): Document {
    const { operationType, db, coll, before, after, at, wallTime } = change;
    const documentKey = { _id: (after ?? before)?._id };
    const fullDocument = operationType === 'update' ? this.#lookUp(change, documentKey) : after;
    return {
      _id: resumeToken(at, true),
      operationType,
      clusterTime: toTimestamp(at),
      wallTime,
      ...(fullDocument === undefined ? {} : { fullDocument }),
      ns: { db, coll },
      documentKey,
      ...(operationType === 'update'
        ? { updateDescription: { ...difference(before as Document, after as Document), truncatedArrays: [] } }
        : {}),
    };
  }

  /** As it is now, which may be later than the change; null if it is no more. */
  #lookUp({ db, coll }: TimedChange, filter: Document): Document | null | undefined {
    if (this.#specification.fullDocument !== 'updateLookup') return undefined;
    return find(this.#context.state.store.find(db, coll), { filter })[0] ?? null;
  }
}

/** Of the formats that servers have had, the time alone; the end tells an event from a point between events. */
function resumeToken(time: bigint, isEvent: boolean): Document {
  const hex = time.toString(16).toUpperCase().padStart(16, '0');
  return { _data: `82${hex}${isEvent ? '2B022C0100296E04' : '2B0229296E04'}` };
}

/** Where a stream is to begin; undefined: now. */
function startOf({ resumeAfter, startAfter, startAtOperationTime }: Document): bigint | undefined {
  const token: Document | undefined = resumeAfter ?? startAfter;
  if (token) {
    const hex = /^82([0-9A-F]{16})/.exec(token._data)?.[1];
    if (hex === undefined) throw new CommandError(9, 'resume token string was not a valid hex string');
    return BigInt(`0x${hex}`);
  }
  // The change of that very time is still to come.
  return startAtOperationTime && (startAtOperationTime as Timestamp).toBigInt() - 1n;
}

function difference(before: Document, after: Document, prefix = ''): Document {
  const updatedFields: Document = {};
  const removedFields = Object.keys(before)
    .filter((name) => !Object.hasOwn(after, name))
    .map((name) => `${prefix}${name}`);
  for (const [name, value] of Object.entries(after)) {
    const path = `${prefix}${name}`;
    const old = before[name];
    if (isSubdocument(old) && isSubdocument(value)) {
      const inner = difference(old, value, `${path}.`);
      Object.assign(updatedFields, inner.updatedFields);
      removedFields.push(...inner.removedFields);
    } else if (!Object.hasOwn(before, name) || !isSame({ value: old }, { value })) {
      updatedFields[path] = value;
    }
  }
  return { updatedFields, removedFields };
}

function isSubdocument(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
