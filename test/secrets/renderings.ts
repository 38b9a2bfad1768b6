/** All that a program can show of a value without taking part in making it. */
import { format, inspect } from 'node:util';

const INSPECTIONS = [
  {},
  {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    getters: true,
    showProxy: true,
    maxArrayLength: null,
    maxStringLength: null,
  },
];

/** The texts, each of them once. */
export function renderings(value: unknown): string[] {
  const texts = new Set<string>();
  const seen = new Set<unknown>();
  visit(value);
  return [...texts];

  function visit(part: unknown): void {
    if (typeof part === 'string' || typeof part === 'symbol') texts.add(String(part));
    if ((typeof part !== 'object' && typeof part !== 'function') || part === null || seen.has(part)) return;
    seen.add(part);
    for (const options of INSPECTIONS) show(() => inspect(part, options));
    show(() => format('%s %o %O %j', part, part, part, part));
    show(() => String(part));
    show(() => JSON.stringify(part));
    show(() => JSON.stringify(part, ownNames(part)));
    if (part instanceof Map) for (const entry of part) visit(entry);
    if (part instanceof Set) for (const entry of part) visit(entry);
    // A getter belongs to a prototype, and shows something of the value all the same.
    for (let owner: object | null = part; owner && !isBuiltIn(owner); owner = Object.getPrototypeOf(owner)) {
      for (const key of Reflect.ownKeys(owner)) {
        visit(key);
        show(() => Reflect.get(owner, key, part));
      }
    }
  }

  /** What is thrown instead is looked at as well. */
  function show(render: () => unknown): void {
    try {
      visit(render());
    } catch (thrown) {
      visit(thrown);
    }
  }
}

function ownNames(value: object): string[] {
  return Object.getOwnPropertyNames(value);
}

function isBuiltIn(prototype: object): boolean {
  return [Object, Function, Error, Array, Map, Set, Date].some((type) => type.prototype === prototype);
}
