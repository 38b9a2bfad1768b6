// Which ways the demo shows, one for each number, and what it says of them when asked for help.

import { type Way, ways } from '../test/ways/ways.js';

/** Short names, in the order of the table of ways. */
export const names: readonly string[] = [
  'azure-vm',
  'azure-vm-uri',
  'gcp',
  'gcp-uri',
  'functions',
  'app-service',
  'aks',
  'gke',
  'kubernetes',
  'kubernetes-uri',
];

/** @throws Error for a name that is not one of {@link names} */
export function wayNamed(name: string): Way {
  const way = names.includes(name) ? ways.find(({ id }) => id === name) : undefined;
  if (!way) throw new Error(`There is no way called '${name}'`);
  return way;
}

export function usage(): string {
  const lines = names.map((name) => {
    const { number, where, configured } = wayNamed(name);
    const how = configured.startsWith('mongodb:') ? 'connection string' : /^new (\w+)/.exec(configured)?.[1];
    return `  ${name.padEnd(16)}${String(number).padStart(2)}  ${where}: ${how}`;
  });
  return [
    'Usage: npm run demo [-- NAME ...]',
    '',
    'Runs all ten ways, or those that are named:',
    ...lines,
  ].join('\n');
}
