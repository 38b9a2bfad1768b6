/**
 * Secrets are planted wherever one can be, and every output is searched for them: what an error, a callback, a
 * result or an event shows, and what a program that fails writes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { type MongoServer, startMongoServer } from '../emulators/mongodb/index.js';
import { type Program, type Reply, startProgram } from '../secrets/child.js';
import { issuedTokens } from '../secrets/issued-tokens.js';
import { Needles } from '../secrets/needles.js';
import { echoedToken, places, type RunningPlace } from '../secrets/places.js';
import { renderings } from '../secrets/renderings.js';

const FETCH = 'tracing:mongodb-workload-identity.fetch';
const RETRY = 'mongodb-workload-identity.retry';
const REFRESH = 'mongodb-workload-identity.refresh';
const OUTAGE = 'mongodb-workload-identity.outage';

let server: MongoServer;

beforeAll(async () => {
  // No token ever gets there.
  server = await startMongoServer({ identityProviders: [] });
});
afterAll(() => server.close());

/** Everything that must not be seen, as far as it is known by now. */
function needlesOf(place: RunningPlace): Needles {
  const needles = new Needles();
  for (const { what, value } of [...place.secrets, ...place.collect()]) needles.add(what, value);
  for (const token of issuedTokens) needles.addToken('an issued token', token);
  needles.addToken('the echoed token', echoedToken);
  return needles;
}

describe.concurrent('no secret is seen', { timeout: 180_000 }, () => {
  test.for(places.map((one) => [one.what, one] as const))(
    'of %s',
    async ([, { kind, start, sdkShowsSecrets }], { expect }) => {
      const place = await start();
      const programs: Program[] = [];
      const open = () => {
        const program = startProgram(kind, place.options, place.env);
        programs.push(program);
        return program;
      };
      try {
        const program = open();
        const seen = new Map<string, string>();
        const outcomes: Record<string, string> = {};
        const note = (when: string, { outcome, texts }: Reply) => {
          outcomes[when] = outcome;
          for (const { where, text } of texts) seen.set(text, `${when}, ${where}`);
        };
        for (const { what, timeoutMS, begin } of place.mishaps) {
          await begin();
          note(what, await program.tell({ do: 'fetch', timeoutMS }));
        }
        if (place.recover) {
          await place.recover();
          note('a token held', await program.tell({ do: 'hold', timeoutMS: 30_000 }));
          await place.refuse();
          note('a refresh refused', await program.tell({ do: 'refresh' }));
        }
        await place.refuse();
        const bySDK = await program.tell({ do: 'sdk' });
        const underDriver = open();
        const { events } = await program.tell({ do: 'crash', timeoutMS: 1_000 });
        await underDriver.tell({ do: 'crashDriver', timeoutMS: 1_000, uri: server.uri });
        for (const crashed of [program, underDriver]) {
          const { code, written } = await crashed.ended();
          expect(code).toBe(1);
          expect(written).toMatch(/OIDCCallbackError: .*\n(.*\n)*.*code: 'ERR_OIDC_/);
          seen.set(written, 'what a program wrote');
        }

        const needles = needlesOf(place);
        const finds = [...seen].flatMap(([text, when]) =>
          needles.find(text).map((find) => `${when}: ${find}`),
        );
        expect(finds).toEqual([]);

        // That there was something to be found, where it was looked for.
        const { nothing, 'a token held': held, 'a refresh refused': _, ...failures } = outcomes;
        expect(Object.values(failures)).not.toContain('token');
        expect(events[`${FETCH}:error`]).toBeGreaterThan(0);
        if (place.recover) {
          expect([nothing, held]).toEqual(['token', 'token']);
          for (const channel of [`${FETCH}:asyncEnd`, RETRY, REFRESH, OUTAGE]) {
            expect(events[channel]).toBeGreaterThan(0);
          }
        }
        if (sdkShowsSecrets) expect(bySDK.texts.flatMap(({ text }) => needles.find(text))).not.toEqual([]);
      } finally {
        for (const program of programs) program.kill();
        await place.close();
      }
    },
  );
});

describe('the search finds', () => {
  const password = 'p@ss/word+4711';
  const needles = new Needles();
  needles.addToken('the token', echoedToken);
  needles.add('the password', password);
  const [, payload = '', signature = ''] = echoedToken.split('.');

  const LEAKS: [what: string, text: string][] = [
    ['a token', echoedToken],
    ['a payload', payload],
    ['a signature', signature],
    ['a piece of a payload', payload.slice(21, 36)],
    ['a piece of a signature', signature.slice(22, 37)],
    ['an ID out of the payload', Buffer.from(payload, 'base64url').toString()],
    ['a token in base64', btoa(echoedToken)],
    ['a token in base64 with something before', btoa(`{"token":"${echoedToken}"}`)],
    ['a signature in hexadecimal', Buffer.from(signature).toString('hex')],
    ['a signature with another alphabet', signature.replaceAll('-', '+').replaceAll('_', '/')],
    ['a signature over two lines', `${signature.slice(0, 40)}\n${signature.slice(40)}`],
    ['a password', password],
    ['a password in a URL', `http://user:${encodeURIComponent(password)}@proxy:3128`],
    ['a password in a header', `Basic ${btoa(`user:${password}`)}`],
  ];

  const PLACES: [where: string, plant: (text: string) => unknown][] = [
    ['a message', (text) => new Error(`before ${text} after`)],
    ['a name', (text) => Object.assign(new Error('x'), { name: text })],
    ['a stack', (text) => Object.assign(new Error('x'), { stack: `Error: x\n    at ${text}` })],
    ['the cause of a cause', (text) => new Error('x', { cause: new Error('y', { cause: new Error(text) }) })],
    ['an aggregated error', (text) => new AggregateError([new Error('x'), new Error(text)], 'y')],
    [
      'a property ten levels down',
      (text) =>
        Array(10)
          .fill(0)
          .reduce((value) => ({ value }), { text }),
    ],
    ['a hidden property', (text) => Object.defineProperty(new Error('x'), 'token', { value: text })],
    ['a key', (text) => ({ [text]: 1 })],
    ['a symbol', (text) => ({ [Symbol('token')]: { [Symbol(text)]: text } })],
    [
      'a getter',
      (text) => ({
        get accessToken() {
          return text;
        },
      }),
    ],
    [
      'a getter that throws',
      (text) => ({
        get accessToken() {
          throw new Error(text);
        },
      }),
    ],
    [
      'a getter of a class',
      (text) =>
        new (class {
          get token() {
            return { text };
          }
        })(),
    ],
    ['a map', (text) => ({ map: new Map([['a', new Map([[text, 1]])]]) })],
    ['the end of a list', (text) => [...Array(200).fill('x'), text]],
    ['the end of a long text', (text) => ({ text: `${'x '.repeat(20_000)}${text}` })],
    ['what it is as JSON', (text) => ({ toJSON: () => ({ text }) })],
    ['what it is as a string', (text) => ({ toString: () => text })],
    ['a function', (text) => Object.assign(() => {}, { token: text })],
    ['a buffer that is shown', (text) => ({ body: Buffer.from(text).toString() })],
  ];

  test.each(LEAKS)('%s in a text', (_, text) => {
    expect(needles.find(`before ${text} after`)).not.toEqual([]);
  });

  test.each(PLACES)('a token and its parts in %s', (_, plant) => {
    for (const text of [echoedToken, payload, signature]) {
      expect(renderings(plant(text)).flatMap((seen) => needles.find(seen))).not.toEqual([]);
    }
  });

  test('nothing in what holds nothing', () => {
    const error = new Error(`No token for 'https://mongodb.example.com' within 30000 ms`, {
      cause: new Error('x'),
    });
    expect(renderings(error).flatMap((text) => needles.find(text))).toEqual([]);
  });

  test('what is on each of the channels', async () => {
    // An audience is no secret, so it is in every event.
    const audience = echoedToken;
    const tokens = await createTokenDirectory({ audience, lifeSeconds: 8 });
    const program = startProgram('kubernetes', { audience, tokenFile: tokens.path }, {});
    try {
      await tokens.write('no token');
      const failed = await program.tell({ do: 'fetch', timeoutMS: 1_000 });
      await tokens.rotate();
      const held = await program.tell({ do: 'hold', timeoutMS: 5_000 });
      await tokens.write(`${echoedToken}.of.five`);
      const refreshed = await program.tell({ do: 'refresh' });
      const where = [failed, held, refreshed]
        .flatMap(({ texts }) => texts)
        .filter(({ text }) => needles.find(text).length > 0)
        .map((found) => found.where);
      const moments = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(
        (moment) => `${FETCH}:${moment}`,
      );
      expect([...new Set(where)]).toEqual(expect.arrayContaining([...moments, RETRY, REFRESH, OUTAGE]));
    } finally {
      program.kill();
      await tokens.close();
    }
  });

  test('what a program writes', async () => {
    const program = startProgram('own', { ownToken: echoedToken }, {});
    await program.tell({ do: 'leak' });
    const { written } = await program.ended();
    expect(needles.find(written)).not.toEqual([]);
  });
});
