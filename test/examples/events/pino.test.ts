// What examples/events-pino.ts logs of the life of a token.
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { audience, type Example, type Stage, setStage, user, username, WAIT } from './stage.js';

// A busy machine takes half a minute to load the SDK, the driver and what compiles the example.
vi.setConfig({ testTimeout: 120_000 });

const { debug, info, warn, error } = pino.levels.values;
const about = { environment: 'EnvironmentCallback', audience, username };
const durationMS = expect.any(Number);
const backoffMS = expect.any(Number);
const expiresAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

const start = (stage: Stage, level?: string) =>
  stage.start('events-pino.ts', { env: level ? { LOG_LEVEL: level } : {} });

/** The lines that are about tokens, without what pino puts on each. */
function linesOf({ json }: Example) {
  return json
    .filter(({ component }) => component === 'mongodb-workload-identity')
    .map(({ component: _, time: __, pid: ___, hostname: ____, ...line }) => line);
}

const whenConnected = (example: Example) =>
  vi.waitFor(
    () => expect(example.json).toContainEqual(expect.objectContaining({ msg: `Connected as ${user}` })),
    WAIT,
  );

const failure = (code: string, message: string) => ({
  type: 'OIDCCallbackError',
  code,
  message: expect.stringContaining(message),
  stack: expect.any(String),
});

test('a source that answers is a line for who debugs', async () => {
  const example = start(await setStage(), 'debug');
  await whenConnected(example);
  await example.stop();
  expect(linesOf(example)).toEqual([
    {
      level: debug,
      oidc: { ...about, attempt: 1, outcome: 'token', durationMS, expiresAt },
      msg: 'The token source answered',
    },
  ]);
});

test('a source that throttles at first is a warning', async () => {
  const stage = await setStage();
  stage.imds.faults.push({ kind: 'status', status: 429 });
  const example = start(stage, 'debug');
  await whenConnected(example);
  await example.stop();
  const code = 'ERR_OIDC_RATE_LIMITED';
  expect(linesOf(example)).toEqual([
    {
      level: debug,
      oidc: { ...about, attempt: 1, outcome: 'error', durationMS, code },
      err: expect.objectContaining(failure(code, '429')),
      msg: 'The token source failed',
    },
    {
      level: warn,
      oidc: { ...about, attempt: 1, code, backoffMS },
      msg: 'The token source is asked again',
    },
    {
      level: debug,
      oidc: { ...about, attempt: 2, outcome: 'token', durationMS, expiresAt },
      msg: 'The token source answered',
    },
  ]);
});

test('an outage past a first token is an error, once, and its end is told', async () => {
  // The slower a source, the earlier a refresh: after one that fails there must be time for another look.
  const stage = await setStage({ lifeSeconds: 8, latencyMS: 1_500 });
  const example = start(stage);
  await whenConnected(example);
  stage.imds.setFault({ kind: 'status', status: 403 });
  const refresh = (level: number | undefined, outcome: string) => ({
    level,
    oidc: { ...about, outcome },
    msg: `Refresh of the token: ${outcome}`,
  });
  await vi.waitFor(() => expect(linesOf(example)).toContainEqual(refresh(warn, 'failed')), WAIT);
  stage.imds.setFault(undefined);
  await vi.waitFor(() => expect(linesOf(example)).toContainEqual(refresh(info, 'renewed')), WAIT);
  await example.stop();
  const code = 'ERR_OIDC_ACCESS_DENIED';
  const lines = linesOf(example);
  const [outage = -1, ...others] = lines.flatMap(({ level }, index) => (level === error ? [index] : []));
  expect(others).toEqual([]);
  expect(lines[outage]).toEqual({
    level: error,
    oidc: { ...about, code, expiresAt },
    err: expect.objectContaining(failure(code, '403')),
    msg: 'No new token can be had; the one in memory serves on',
  });
  expect(lines[outage + 1]).toEqual(refresh(warn, 'failed'));
  // By default, nothing of the attempts.
  expect(lines).not.toContainEqual(expect.objectContaining({ level: debug }));
});
