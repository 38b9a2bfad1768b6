// Finds in doctor's output what must never be in it: tokens, and whatever secret a case was given.
import { readFile } from 'node:fs/promises';
import { issuedAccessTokens } from '../emulators/gcp/service-account.js';
import { issuedTokens } from '../secrets/issued-tokens.js';
import { Needles } from '../secrets/needles.js';

/** Shared by all cases: what one source issued must not come up anywhere. */
const needles = new Needles();
const known = new Set<string>();

const SECRET_NAMES = /HEADER|SECRET|PASSWORD/;
const SECRET_MEMBERS = ['private_key', 'refresh_token', 'client_secret'];
/** Of a connection string or a proxy. */
const URL_PASSWORD = /:\/\/[^/?@\s]*?:([^/?\s]*)@/g;

/** What is found of any token that was issued so far, and of what doctor was given by these. */
export async function secretsIn(
  output: string,
  { args, env }: { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> },
): Promise<string[]> {
  for (const token of issuedTokens) once(token, () => needles.addToken('an issued token', token));
  for (const token of issuedAccessTokens()) once(token, () => needles.add('an access token', token));
  for (const text of [...args, ...Object.values(env)]) {
    for (const [, password = ''] of text.matchAll(URL_PASSWORD)) {
      once(password, () => {
        needles.add('a password', password);
        needles.add('a password, decoded', decodeURIComponent(password));
      });
    }
  }
  for (const [name, value] of Object.entries(env)) {
    if (SECRET_NAMES.test(name)) once(value, () => needles.add(name, value));
  }
  const { GOOGLE_APPLICATION_CREDENTIALS: credentials } = env;
  if (credentials !== undefined) {
    const members = JSON.parse(await readFile(credentials, 'utf8')) as Record<string, string>;
    for (const name of SECRET_MEMBERS) {
      const value = members[name];
      if (value !== undefined) once(value, () => needles.add(name, value));
    }
  }
  return needles.find(output);
}

function once(secret: string, add: () => void): void {
  if (known.has(secret)) return;
  known.add(secret);
  add();
}
