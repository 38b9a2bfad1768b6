/** Values inside documents: at a path, as keys of an index, as text. */
import { type Document, deserialize, ObjectId, serialize } from 'bson';

/** A copy that shares nothing, holding what BSON can hold. */
export function copyOf<T extends Document>(document: T): T {
  return deserialize(serialize(document, { ignoreUndefined: true })) as T;
}

export function isSame(a: Document, b: Document): boolean {
  return Buffer.compare(serialize(a), serialize(b)) === 0;
}

/** A string that equal values share, and only they. */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'number') return `n${value + 0}`;
  if (value instanceof ObjectId) return `o${value.toHexString()}`;
  return `b${Buffer.from(serialize({ value: value ?? null })).toString('base64')}`;
}

/** The one value at a dotted path, as an update addresses it; undefined if there is none. */
export function valueAt(document: unknown, path: string): unknown {
  let value = document;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Document)[part];
  }
  return value;
}

/** Every value that a query on a dotted path would look at, the elements of arrays in place of the array. */
export function valuesAt(document: unknown, path: string): unknown[] {
  let values = [document];
  for (const part of path.split('.')) {
    values = values.flatMap((value) => {
      if (typeof value !== 'object' || value === null) return [];
      if (Object.hasOwn(value, part)) return [(value as Document)[part]];
      if (!Array.isArray(value)) return [];
      return value.flatMap((element) =>
        typeof element === 'object' && element !== null && Object.hasOwn(element, part)
          ? [element[part]]
          : [],
      );
    });
  }
  return values.flatMap((value) => (Array.isArray(value) ? value : [value]));
}

/** As in an error message of the server. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof ObjectId) return `ObjectId('${value.toHexString()}')`;
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (Array.isArray(value)) return `[ ${value.map(textOf).join(', ')} ]`;
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{ ${Object.entries(value)
      .map(([name, field]) => `${name}: ${textOf(field)}`)
      .join(', ')} }`;
  }
  return String(value);
}

/** The alias that `$type` knows a value's type by. */
export function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'double';
  if (value instanceof Date) return 'date';
  if (value instanceof ObjectId) return 'objectId';
  return typeof value;
}
