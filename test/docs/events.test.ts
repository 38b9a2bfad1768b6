// docs/events.md names every channel, every event and every field that there is.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/events.md');

test('the page has every channel', () => {
  const channels = [...read('src/diagnostics.ts').matchAll(/hannel(?:<.*>)?\('(.*)'\)/g)].map(
    ([, name]) => name,
  );
  expect(channels).toHaveLength(4);
  for (const name of channels) expect(page).toContain(`| \`${name}\` | `);
});

test('the page has every event and its fields', () => {
  const events = [...read('api/index.api.md').matchAll(/interface (\w+Event)\b.*\{([^}]*)\}/g)];
  expect(events).toHaveLength(5);
  for (const [, name = '', body = ''] of events) {
    if (name !== 'TokenEvent') expect(page).toContain(`\`${name}\``);
    for (const [, field] of body.matchAll(/(\w+)\??:/g)) expect(page).toContain(`\`${field}\``);
  }
});
