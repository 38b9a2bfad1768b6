/** What an update makes of a document. */
import { type Document, ObjectId } from 'bson';
import { aggregate as mingoAggregate, updateOne } from 'mingo';
import { CommandError } from './errors.js';
import { answering, queryOptions } from './query.js';
import { copyOf, isSame, keyOf, textOf, typeOf, valueAt } from './values.js';

const STAGES = new Set(['$addFields', '$set', '$project', '$unset', '$replaceRoot', '$replaceWith']);
const MODIFIERS = new Set([
  '$set',
  '$setOnInsert',
  '$unset',
  '$inc',
  '$mul',
  '$min',
  '$max',
  '$rename',
  '$currentDate',
  '$push',
  '$addToSet',
  '$pop',
  '$pull',
  '$pullAll',
  '$bit',
]);

export interface Update {
  /** Modifiers, a replacement, or a pipeline. */
  u: Document | Document[];
  /** The filter, which the positional operator `$` refers to. */
  q: Document;
  arrayFilters?: Document[] | undefined;
  collation?: Document | undefined;
  /** Constants for a pipeline (`let` of the driver). */
  c?: Document | undefined;
}

/** The document as it will be, or undefined if it stays as it is. */
export function updated(document: Document, update: Update): Document | undefined {
  const result = apply(document, update);
  if ('_id' in result && keyOf(result._id) !== keyOf(document._id)) throw immutableId();
  const next = copyOf({ _id: document._id, ...result });
  return isSame(document, next) ? undefined : next;
}

/** The document that an upsert inserts. */
export function upserted(update: Update): Document {
  const known = answering(() => {
    const documents: Document[] = [{}];
    const { _id, ...fields } = equalities(update.q);
    if (Object.keys(fields).length > 0) updateOne(documents, {}, { $set: fields });
    return _id === undefined ? { ...documents[0] } : { _id, ...documents[0] };
  });
  const next = applyToNew(known, update);
  if ('_id' in known && '_id' in next && keyOf(next._id) !== keyOf(known._id)) throw immutableId();
  return copyOf({ _id: known._id ?? new ObjectId(), ...next });
}

function applyToNew(known: Document, update: Update): Document {
  const { u } = update;
  if (Array.isArray(u)) return applyPipeline(known, u, update);
  if (!isModifiers(u)) return u;
  const { $set, $setOnInsert, ...others } = u;
  const { _id = known._id, ...fields }: Document = { ...$set, ...$setOnInsert };
  return applyModifiers(
    { ...known, ...(_id === undefined ? {} : { _id }) },
    { ...others, $set: fields },
    update,
  );
}

function isModifiers(u: Document): boolean {
  return Object.keys(u)[0]?.startsWith('$') ?? false;
}

function apply(document: Document, update: Update): Document {
  const { u } = update;
  if (Array.isArray(u)) return applyPipeline(document, u, update);
  return isModifiers(u) ? applyModifiers(document, u, update) : { ...u };
}

function applyPipeline(document: Document, stages: Document[], update: Update): Document {
  for (const stage of stages) {
    const name = Object.keys(stage)[0] ?? '';
    if (!STAGES.has(name)) throw new CommandError(72, `${name} is not allowed to be used within an update`);
  }
  const options = queryOptions({ collation: update.collation, let: update.c });
  return answering(() => mingoAggregate([copyOf(document)], stages, options)[0]) as Document;
}

function applyModifiers(document: Document, u: Document, update: Update): Document {
  const { $setOnInsert, ...modifiers } = u;
  for (const name of Object.keys(u)) {
    if (!MODIFIERS.has(name)) {
      throw new CommandError(
        9,
        `Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`,
      );
    }
  }
  // Setting `_id` to what it is changes nothing and is allowed, which `mingo` does not know.
  if (modifiers.$set && '_id' in modifiers.$set) {
    const { _id, ...set } = modifiers.$set;
    if (keyOf(_id) !== keyOf(document._id)) throw immutableId();
    modifiers.$set = set;
  }
  const target = copyOf(document);
  prepare(target, modifiers);
  const positional = Object.values(modifiers).some((fields) =>
    Object.keys(fields).some((path) => /\.\$(\.|$)/.test(path)),
  );
  return answering(() => {
    const documents = [target];
    updateOne(documents, positional ? update.q : {}, modifiers, {
      cloneMode: 'deep',
      arrayFilters: update.arrayFilters ?? [],
      ...(update.collation ? { collation: update.collation as { locale: string } } : {}),
    });
    return documents[0] as Document;
  });
}

/** Sees to what `mingo` skips in silence: operands of the wrong type, and arrays that are not there yet. */
function prepare(target: Document, modifiers: Document): void {
  for (const [name, fields] of Object.entries(modifiers)) {
    for (const path of Object.keys(fields)) {
      if (path.includes('$')) continue;
      const value = valueAt(target, path);
      if ((name === '$inc' || name === '$mul') && value !== undefined && typeof value !== 'number') {
        throw new CommandError(
          14,
          `Cannot apply ${name} to a value of non-numeric type. {_id: ${textOf(target._id)}} has the field '${path}' of non-numeric type ${typeOf(value)}`,
        );
      }
      if (name !== '$push' && name !== '$addToSet') continue;
      if (value === undefined) answering(() => updateOne([target], {}, { $set: { [path]: [] } }));
      else if (!Array.isArray(value)) {
        throw new CommandError(
          2,
          `The field '${path}' must be an array but is of type ${typeOf(value)} in document {_id: ${textOf(target._id)}}`,
        );
      }
    }
  }
}

/** The fields whose value a filter says outright. */
function equalities(filter: Document): Document {
  const fields: Document = {};
  for (const [name, condition] of Object.entries(filter)) {
    if (name === '$and') for (const each of condition) Object.assign(fields, equalities(each));
    else if (name.startsWith('$') || condition instanceof RegExp) continue;
    else if (!isOperators(condition)) fields[name] = condition;
    else if ('$eq' in condition) fields[name] = condition.$eq;
  }
  return fields;
}

function isOperators(condition: unknown): condition is Document {
  return (
    typeof condition === 'object' &&
    condition !== null &&
    Object.getPrototypeOf(condition) === Object.prototype &&
    isModifiers(condition)
  );
}

function immutableId(): CommandError {
  return new CommandError(
    66,
    "Performing an update on the path '_id' would modify the immutable field '_id'",
  );
}
