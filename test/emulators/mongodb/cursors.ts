/** Results that do not fit in one reply, and those that never end. */
import { calculateObjectSize, type Document, Long } from 'bson';
import { CommandError } from './errors.js';
import { MAX_BSON_BYTES, NO_CURSOR } from './wire.js';

const FIRST_BATCH_DOCUMENTS = 101;
/** How long a `getMore` waits for data that has not come, unless it says so. */
const AWAIT_DATA_MS = 1_000;

interface Cursor {
  namespace: string;
  documents: Document[];
  position: number;
}

interface TailableCursor {
  namespace: string;
  tail: Tail;
  killed: AbortController;
}

export interface Batch {
  documents: Document[];
  /** Where another cursor can go on. */
  resumeToken: Document;
}

/** Where the documents of a cursor come from that waits for data (`tailable`, `awaitData`). */
export interface Tail {
  /** What there is by now and was not read yet. */
  read(limit: number): Batch;
  /** Resolves when there may be more, or the signal is aborted. */
  more(signal: AbortSignal): Promise<void>;
}

export class Cursors {
  readonly #open = new Map<string, Cursor | TailableCursor>();
  #lastId = 0x1000_0000_0000;

  /** The reply of a command that opens a cursor. */
  open(
    namespace: string,
    documents: Document[],
    batchSize: number = FIRST_BATCH_DOCUMENTS,
    singleBatch = false,
  ): Document {
    const cursor = { namespace, documents, position: 0 };
    const firstBatch = nextBatch(cursor, batchSize);
    const more = !singleBatch && cursor.position < documents.length;
    return { cursor: { firstBatch, id: more ? this.#add(cursor) : NO_CURSOR, ns: namespace }, ok: 1 };
  }

  /** The reply of a command that opens a cursor without an end. */
  follow(namespace: string, tail: Tail, batchSize: number = FIRST_BATCH_DOCUMENTS): Document {
    const { documents, resumeToken } = tail.read(batchSize);
    const id = this.#add({ namespace, tail, killed: new AbortController() });
    return {
      cursor: { firstBatch: documents, postBatchResumeToken: resumeToken, id, ns: namespace },
      ok: 1,
    };
  }

  /** The reply of `getMore`. */
  next(
    id: string,
    namespace: string,
    batchSize = Number.POSITIVE_INFINITY,
    maxTimeMS?: number,
  ): Document | Promise<Document> {
    const cursor = this.#open.get(id);
    if (!cursor) throw new CommandError(43, `cursor id ${id} not found`);
    if (cursor.namespace !== namespace) {
      throw new CommandError(
        13,
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace '${cursor.namespace}'`,
      );
    }
    const limit = batchSize || Number.POSITIVE_INFINITY;
    if ('tail' in cursor) return awaitBatch(id, cursor, limit, maxTimeMS);
    const batch = nextBatch(cursor, limit);
    const more = cursor.position < cursor.documents.length;
    if (!more) this.#open.delete(id);
    return { cursor: { nextBatch: batch, id: more ? Long.fromString(id) : NO_CURSOR, ns: namespace }, ok: 1 };
  }

  kill(ids: string[]): { killed: string[]; missing: string[] } {
    const killed = ids.filter((id) => {
      const cursor = this.#open.get(id);
      if (cursor && 'tail' in cursor) cursor.killed.abort();
      return this.#open.delete(id);
    });
    return { killed, missing: ids.filter((id) => !killed.includes(id)) };
  }

  #add(cursor: Cursor | TailableCursor): Long {
    const id = Long.fromNumber(++this.#lastId);
    this.#open.set(id.toString(), cursor);
    return id;
  }
}

async function awaitBatch(
  id: string,
  { namespace, tail, killed }: TailableCursor,
  limit: number,
  maxTimeMS = AWAIT_DATA_MS,
): Promise<Document> {
  const over = new AbortController();
  const stop = () => over.abort();
  const timer = setTimeout(stop, maxTimeMS).unref();
  killed.signal.addEventListener('abort', stop);
  let batch = tail.read(limit);
  while (batch.documents.length === 0 && !over.signal.aborted) {
    await tail.more(over.signal);
    batch = tail.read(limit);
  }
  clearTimeout(timer);
  killed.signal.removeEventListener('abort', stop);
  if (killed.signal.aborted) throw new CommandError(237, 'operation was interrupted');
  return {
    cursor: {
      nextBatch: batch.documents,
      postBatchResumeToken: batch.resumeToken,
      id: Long.fromString(id),
      ns: namespace,
    },
    ok: 1,
  };
}

/** As many documents as were asked for and fit in one reply, but at least one, so that there is an end. */
function nextBatch(cursor: Cursor, batchSize: number): Document[] {
  const start = cursor.position;
  const end = Math.min(cursor.documents.length, start + batchSize);
  for (let bytes = 0; cursor.position < end; cursor.position++) {
    bytes += calculateObjectSize(cursor.documents[cursor.position] as Document);
    if (bytes > MAX_BSON_BYTES && cursor.position > start) break;
  }
  return cursor.documents.slice(start, cursor.position);
}
