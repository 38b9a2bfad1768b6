// The driver as the judge of connection strings: a client that is constructed and never connected has read all.

import { MongoClient, type MongoClientOptions } from 'mongodb';

/** What the driver reads, in a form that can be compared; functions are compared by their source. */
export interface Reading {
  readonly username: string;
  readonly mechanism: string;
  readonly source: string;
  readonly mechanismProperties: Readonly<Record<string, unknown>>;
  readonly rest: unknown;
}

/** @throws the driver's own error, where it rejects the arguments */
export function readByDriver(uri: string, options?: object): Reading {
  const { credentials, ...rest } = new MongoClient(uri, options as MongoClientOptions).options;
  return {
    username: credentials?.username ?? '',
    mechanism: credentials?.mechanism ?? '',
    source: credentials?.source ?? '',
    mechanismProperties: { ...credentials?.mechanismProperties },
    rest: comparable(rest),
  };
}

/** Undefined where the driver accepts the arguments. */
export function objectionOfDriver(uri: string, options?: object): Error | undefined {
  try {
    readByDriver(uri, options);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function comparable(value: unknown): unknown {
  if (typeof value === 'function') return String(value);
  if (value instanceof Promise) return 'Promise';
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]));
}
