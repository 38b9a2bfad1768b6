/** Databases in memory. */
import { type Document, UUID } from 'bson';
import type { Undo } from './context.js';
import { CommandError } from './errors.js';
import { matcher } from './query.js';
import { keyOf, textOf, valuesAt } from './values.js';

export class Store {
  readonly #databases = new Map<string, Map<string, Collection>>();

  find(db: string, name: string): Collection | undefined {
    return this.#databases.get(db)?.get(name);
  }

  /** The collection, made if need be. */
  collection(db: string, name: string, options: Document = {}): Collection {
    const existing = this.find(db, name);
    if (existing) return existing;
    if (name === '' || name.startsWith('.') || name.includes('\0')) {
      throw new CommandError(73, `Invalid namespace specified '${db}.${name}'`);
    }
    const collection = new Collection(`${db}.${name}`, name, options);
    const database = this.#databases.get(db) ?? new Map<string, Collection>();
    this.#databases.set(db, database.set(name, collection));
    return collection;
  }

  collections(db: string): Collection[] {
    return [...(this.#databases.get(db)?.values() ?? [])];
  }

  databases(): string[] {
    return [...this.#databases.keys()].sort();
  }

  drop(db: string, name: string): boolean {
    return this.#databases.get(db)?.delete(name) ?? false;
  }

  dropDatabase(db: string): boolean {
    return this.#databases.delete(db);
  }
}

/** Documents are replaced, never changed: whoever has read one keeps what was read. */
export class Collection {
  readonly uuid = new UUID();
  readonly #documents = new Map<string, Document>();
  readonly #indexes = new Map<string, Index>();

  constructor(
    readonly namespace: string,
    readonly name: string,
    readonly options: Document,
  ) {
    this.#indexes.set('_id_', new Index({ v: 2, key: { _id: 1 }, name: '_id_' }));
  }

  get size(): number {
    return this.#documents.size;
  }

  get indexes(): Document[] {
    return [...this.#indexes.values()].map(({ specification }) => specification);
  }

  /** Those that a filter can match, in their natural order: a few where it pins the `_id`, else all. */
  candidates(filter: Document): Document[] {
    const ids = pinnedIds(filter._id);
    if (!ids) return [...this.#documents.values()];
    return [...new Set(ids.map(keyOf))].flatMap((id) => this.#documents.get(id) ?? []);
  }

  insert(document: Document, undo?: Undo[]): void {
    const id = keyOf(document._id);
    if (this.#documents.has(id)) throw this.#duplicate('_id_', { _id: 1 }, { _id: document._id });
    this.#put(id, document, undo);
  }

  /** Takes the place of the document with the same `_id`. */
  replace(document: Document, undo?: Undo[]): void {
    this.#put(keyOf(document._id), document, undo);
  }

  delete(document: Document, undo?: Undo[]): void {
    const id = keyOf(document._id);
    for (const index of this.#indexes.values()) index.remove(id, document);
    this.#documents.delete(id);
    undo?.push(() => this.#put(id, document));
  }

  createIndex(specification: Document): void {
    const index = new Index(specification);
    for (const [id, document] of this.#documents) {
      if (index.conflicts(id, document)) throw this.#duplicateIn(index, document);
      index.add(id, document);
    }
    this.#indexes.set(specification.name, index);
  }

  dropIndex(name: string): boolean {
    return this.#indexes.delete(name);
  }

  #put(id: string, document: Document, undo?: Undo[]): void {
    const previous = this.#documents.get(id);
    for (const index of this.#indexes.values()) {
      if (index.conflicts(id, document)) throw this.#duplicateIn(index, document);
    }
    for (const index of this.#indexes.values()) {
      if (previous) index.remove(id, previous);
      index.add(id, document);
    }
    this.#documents.set(id, document);
    undo?.push(() => (previous ? this.#put(id, previous) : this.delete(document)));
  }

  #duplicateIn({ specification }: Index, document: Document): CommandError {
    const value = Object.fromEntries(
      Object.keys(specification.key).map((path) => [path, valuesAt(document, path)[0] ?? null]),
    );
    return this.#duplicate(specification.name, specification.key, value);
  }

  #duplicate(index: string, keyPattern: Document, keyValue: Document): CommandError {
    return new CommandError(
      11000,
      `E11000 duplicate key error collection: ${this.namespace} index: ${index} dup key: ${textOf(keyValue)}`,
      { keyPattern, keyValue },
    );
  }
}

/** Only unique indexes do anything: the others would merely make faster what is fast enough. */
class Index {
  readonly #owners = new Map<string, string>();
  readonly #covers: (document: Document) => boolean;

  constructor(readonly specification: Document) {
    const { partialFilterExpression, sparse, key } = specification;
    const inPart = partialFilterExpression ? matcher(partialFilterExpression) : () => true;
    this.#covers = (document) =>
      inPart(document) && (!sparse || Object.keys(key).some((path) => valuesAt(document, path).length > 0));
  }

  conflicts(id: string, document: Document): boolean {
    return this.#keysOf(document).some((key) => (this.#owners.get(key) ?? id) !== id);
  }

  add(id: string, document: Document): void {
    for (const key of this.#keysOf(document)) this.#owners.set(key, id);
  }

  remove(id: string, document: Document): void {
    for (const key of this.#keysOf(document)) if (this.#owners.get(key) === id) this.#owners.delete(key);
  }

  #keysOf(document: Document): string[] {
    if (!this.specification.unique || !this.#covers(document)) return [];
    let keys = [''];
    for (const path of Object.keys(this.specification.key)) {
      const values = valuesAt(document, path);
      const parts = (values.length > 0 ? values : [null]).map(keyOf);
      keys = keys.flatMap((key) => parts.map((part) => `${key}\0${part}`));
    }
    return keys;
  }
}

/** The values of `_id` that a filter's condition allows, if it is one that lists them. */
function pinnedIds(condition: unknown): unknown[] | undefined {
  if (condition === undefined || condition === null || condition instanceof RegExp) return undefined;
  if (typeof condition !== 'object' || Object.getPrototypeOf(condition) !== Object.prototype) {
    return Array.isArray(condition) ? undefined : [condition];
  }
  const { $eq, $in } = condition as Document;
  if ($eq !== undefined) return pinnedIds($eq);
  if (!Array.isArray($in) || $in.some((value) => value === null || value instanceof RegExp)) return undefined;
  return $in;
}
