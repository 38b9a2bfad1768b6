// The drivers that the life of a token is tested on, old and new.

import type * as mongodb from 'mongodb';

export interface Driver {
  /** The package that it is installed as. */
  readonly name: string;
  readonly hasNode7858: boolean;
}

export const drivers: readonly Driver[] = [
  { name: 'mongodb-6.17', hasNode7858: true },
  { name: 'mongodb-6.22', hasNode7858: true },
  { name: 'mongodb-7.0', hasNode7858: true },
  { name: 'mongodb-7.6', hasNode7858: true },
  { name: 'mongodb', hasNode7858: false },
];

/** What a test uses of a driver is the same in all of them. */
export function loadDriver({ name }: Driver): Promise<typeof mongodb> {
  return import(name);
}
