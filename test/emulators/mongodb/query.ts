/** The query language, by way of `mingo`. */
import type { Document } from 'bson';
import { aggregate as mingoAggregate, find as mingoFind, ProcessingMode, Query } from 'mingo';
import type { Options } from 'mingo/types';
import { CommandError } from './errors.js';
import type { Collection } from './store.js';

/** These neither change what they are given nor hand out parts of it that a later one could change. */
const HARMLESS_STAGES = new Set(['$match', '$group', '$count', '$sort', '$skip', '$limit']);
const UNSUPPORTED_STAGES = new Set(['$out', '$merge', '$changeStream']);

export interface FindOptions {
  filter?: Document | undefined;
  sort?: Document | undefined;
  skip?: number | undefined;
  limit?: number | undefined;
  projection?: Document | undefined;
  collation?: Document | undefined;
  let?: Document | undefined;
}

/** What a command's `collation` and `let` mean to `mingo`. */
export function queryOptions(command: Pick<FindOptions, 'collation' | 'let'>): Partial<Options> {
  return {
    scriptEnabled: false,
    ...(command.collation ? { collation: command.collation as NonNullable<Options['collation']> } : {}),
    ...(command.let ? { variables: command.let } : {}),
  };
}

export function matcher(filter: Document, options: Partial<Options> = {}): (document: Document) => boolean {
  const { $comment, ...conditions } = filter;
  if (Object.keys(conditions).length === 0) return () => true;
  const query = answering(() => new Query(conditions, options));
  return (document) => answering(() => query.test(document));
}

/** The stored documents themselves, unless projected. */
export function find(collection: Collection | undefined, request: FindOptions): Document[] {
  const filter = request.filter ?? {};
  const matches = matcher(filter, queryOptions(request));
  return arranged((collection?.candidates(filter) ?? []).filter(matches), request);
}

/** Sorts, pages and projects what the filter has found. */
export function arranged(found: Document[], request: FindOptions): Document[] {
  const { filter, sort, skip, limit, projection } = request;
  if (!sort && !projection) return found.slice(skip ?? 0, limit ? (skip ?? 0) + limit : undefined);
  return answering(() => {
    // The projection `array.$` is about what the filter matched; the others need no second look.
    const positional = Object.keys(projection ?? {}).some((path) => path.endsWith('.$'));
    const condition = (positional && filter) || {};
    const cursor = mingoFind<Document>(found, condition, projection ?? {}, queryOptions(request));
    if (sort) cursor.sort(sort);
    if (skip) cursor.skip(skip);
    if (limit) cursor.limit(limit);
    return cursor.all();
  });
}

export function aggregate(
  collection: Collection | undefined,
  pipeline: Document[],
  request: Pick<FindOptions, 'collation' | 'let'>,
  resolve: (name: string) => Collection | undefined,
): Document[] {
  const names = pipeline.map((stage) => Object.keys(stage)[0] ?? '');
  const unsupported = names.find((name) => UNSUPPORTED_STAGES.has(name));
  if (unsupported === '$changeStream') {
    throw new CommandError(40602, '$changeStream is only valid as the first stage in a pipeline');
  }
  if (unsupported) throw new CommandError(238, `${unsupported} is not supported`);
  const options = {
    ...queryOptions(request),
    processingMode: names.every((name) => HARMLESS_STAGES.has(name))
      ? ProcessingMode.CLONE_OFF
      : ProcessingMode.CLONE_INPUT,
    collectionResolver: (name: string) => resolve(name)?.candidates({}) ?? [],
  };
  // First, because only here an `_id` saves looking at all, and only what remains has to be cloned.
  const [first, ...others] = pipeline;
  const filter = first?.$match as Document | undefined;
  const documents = filter ? find(collection, { ...request, filter }) : (collection?.candidates({}) ?? []);
  return answering(() => mingoAggregate(documents, filter ? others : pipeline, options)) as Document[];
}

/** What the stages make of documents that are in no collection. */
export function piped(documents: Document[], stages: Document[], request: FindOptions): Document[] {
  if (stages.length === 0) return documents;
  const options = { ...queryOptions(request), processingMode: ProcessingMode.CLONE_INPUT };
  return answering(() => mingoAggregate(documents, stages, options)) as Document[];
}

/** Turns what `mingo` says into what a server would. */
export function answering<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { message } = error as Error;
    const stage = /^unregistered pipeline operator (\S+?)\.?$/.exec(message)?.[1];
    if (stage) throw new CommandError(40324, `Unrecognized pipeline stage name: '${stage}'`);
    if (/immutable field/.test(message)) throw new CommandError(66, message);
    if (/create a conflict/.test(message)) throw new CommandError(40, message);
    throw new CommandError(2, message);
  }
}
