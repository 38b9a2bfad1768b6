/** Results that do not fit in one reply. */
import { calculateObjectSize, type Document, Long } from 'bson';
import { CommandError } from './errors.js';
import { MAX_BSON_BYTES, NO_CURSOR } from './wire.js';

const FIRST_BATCH_DOCUMENTS = 101;

interface Cursor {
  namespace: string;
  documents: Document[];
  position: number;
}

export class Cursors {
  readonly #open = new Map<string, Cursor>();
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
    let id = NO_CURSOR;
    if (!singleBatch && cursor.position < documents.length) {
      id = Long.fromNumber(++this.#lastId);
      this.#open.set(id.toString(), cursor);
    }
    return { cursor: { firstBatch, id, ns: namespace }, ok: 1 };
  }

  /** The reply of `getMore`. */
  next(id: string, namespace: string, batchSize = Number.POSITIVE_INFINITY): Document {
    const cursor = this.#open.get(id);
    if (!cursor) throw new CommandError(43, `cursor id ${id} not found`);
    if (cursor.namespace !== namespace) {
      throw new CommandError(
        13,
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace '${cursor.namespace}'`,
      );
    }
    const batch = nextBatch(cursor, batchSize || Number.POSITIVE_INFINITY);
    const more = cursor.position < cursor.documents.length;
    if (!more) this.#open.delete(id);
    return { cursor: { nextBatch: batch, id: more ? Long.fromString(id) : NO_CURSOR, ns: namespace }, ok: 1 };
  }

  kill(ids: string[]): { killed: string[]; missing: string[] } {
    const killed = ids.filter((id) => this.#open.delete(id));
    return { killed, missing: ids.filter((id) => !killed.includes(id)) };
  }
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
