// What examples/events-opentelemetry.ts makes of the life of a token, as its SDK exports it.
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { expect, test, vi } from 'vitest';
import { audience, type Example, type Stage, setStage, user, username, WAIT } from './stage.js';

// A busy machine takes half a minute to load the SDKs, the driver and what compiles the example.
vi.setConfig({ testTimeout: 120_000 });

type Time = readonly [seconds: number, nanoseconds: number];

interface Span {
  readonly spanId: string;
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTime: Time;
  readonly endTime: Time;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: SpanStatusCode; readonly message?: string };
}

interface Metric {
  readonly descriptor: { readonly name: string; readonly unit: string };
  readonly dataPoints: readonly { readonly attributes: object; readonly value: unknown }[];
}

interface Distribution {
  readonly count: number;
  readonly sum: number;
  readonly buckets: { readonly counts: readonly number[] };
}

const about = {
  'mongodb_workload_identity.environment': 'EnvironmentCallback',
  'mongodb_workload_identity.audience': audience,
  'mongodb_workload_identity.username': username,
};
const answered = { ...about, 'mongodb_workload_identity.outcome': 'token' };
const failedWith = (code: string) => ({
  ...about,
  'mongodb_workload_identity.outcome': 'error',
  'error.type': code,
});

const start = (stage: Stage) =>
  stage.start('events-opentelemetry.ts', { imports: [new URL('opentelemetry-sdk.ts', import.meta.url)] });

const spansOf = ({ json }: Example) => json.flatMap(({ span }) => (span ? [span as Span] : []));
const attemptsOf = (example: Example) => spansOf(example).filter(({ name }) => name === 'fetch token');

/** As of the last look. */
function metricsOf({ json }: Example): Metric[] {
  return json.flatMap(({ metrics }) => (metrics ? [metrics as Metric[]] : [])).at(-1) ?? [];
}

function pointsOf(example: Example, name: string) {
  const metric = metricsOf(example).find(
    ({ descriptor }) => descriptor.name === `mongodb_workload_identity.${name}`,
  );
  return (metric?.dataPoints ?? []).map(({ attributes, value }) => ({ attributes, value }));
}

const nanosecondsOf = ([seconds, nanoseconds]: Time) =>
  BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);

test('a source that answers is a span of the request that waits for it', async () => {
  const latencyMS = 300;
  const example = start(await setStage({ latencyMS }));
  await vi.waitFor(() => expect(example.stdout).toContain(`Connected as ${user}\n`), WAIT);
  await example.stop();

  const [attempt, request, ...others] = spansOf(example);
  expect(others).toEqual([]);
  expect(attempt).toMatchObject({
    name: 'fetch token',
    kind: SpanKind.CLIENT,
    attributes: { ...answered, 'mongodb_workload_identity.attempt': 1 },
    status: { code: SpanStatusCode.UNSET },
    traceId: request?.traceId,
    parentSpanId: request?.spanId,
  });
  const [began, ended] = [attempt?.startTime, attempt?.endTime].map((time) => nanosecondsOf(time as Time));
  expect(began).toBeGreaterThanOrEqual(nanosecondsOf(request?.startTime as Time));
  expect(ended).toBeLessThanOrEqual(nanosecondsOf(request?.endTime as Time));
  // It took as long as the source, give or take the roundness of a timer.
  expect((ended as bigint) - (began as bigint)).toBeGreaterThan(BigInt(latencyMS - 50) * 1_000_000n);

  expect(pointsOf(example, 'attempts')).toEqual([{ attributes: answered, value: 1 }]);
  const [{ attributes, value } = {}] = pointsOf(example, 'attempt.duration');
  expect(attributes).toEqual(answered);
  const { count, sum, buckets } = value as Distribution;
  expect(count).toBe(1);
  expect(sum).toBeGreaterThan((latencyMS - 50) / 1_000);
  // No attempt takes longer than the budget of a fetch, which is the highest boundary: these are seconds.
  expect(buckets.counts.at(-1)).toBe(0);
  const [remaining] = pointsOf(example, 'token.remaining');
  expect(remaining?.attributes).toEqual(about);
  expect(remaining?.value).toBeGreaterThan(0);
  expect(remaining?.value).toBeLessThanOrEqual(3_600);
  for (const name of ['retries', 'refreshes', 'outages']) expect(pointsOf(example, name)).toEqual([]);
  expect(
    Object.fromEntries(metricsOf(example).map(({ descriptor: { name, unit } }) => [name, unit])),
  ).toMatchObject({
    'mongodb_workload_identity.attempt.duration': 's',
    'mongodb_workload_identity.token.remaining': 's',
  });
});

test('a source that throttles at first is a failed span, a retry and another span', async () => {
  const stage = await setStage();
  stage.imds.faults.push({ kind: 'status', status: 429 });
  const example = start(stage);
  await vi.waitFor(() => expect(example.stdout).toContain(`Connected as ${user}\n`), WAIT);
  await example.stop();

  const [first, second, request, ...others] = spansOf(example);
  expect(others).toEqual([]);
  expect(first).toMatchObject({
    attributes: { ...failedWith('ERR_OIDC_RATE_LIMITED'), 'mongodb_workload_identity.attempt': 1 },
    status: { code: SpanStatusCode.ERROR, message: expect.stringContaining('429') },
    parentSpanId: request?.spanId,
  });
  expect(second).toMatchObject({
    attributes: { ...answered, 'mongodb_workload_identity.attempt': 2 },
    status: { code: SpanStatusCode.UNSET },
    parentSpanId: request?.spanId,
  });
  expect(nanosecondsOf(second?.startTime as Time)).toBeGreaterThanOrEqual(
    nanosecondsOf(first?.endTime as Time),
  );

  expect(pointsOf(example, 'attempts')).toEqual([
    { attributes: failedWith('ERR_OIDC_RATE_LIMITED'), value: 1 },
    { attributes: answered, value: 1 },
  ]);
  expect(pointsOf(example, 'retries')).toEqual([
    { attributes: { ...about, 'error.type': 'ERR_OIDC_RATE_LIMITED' }, value: 1 },
  ]);
  expect(pointsOf(example, 'outages')).toEqual([]);
});

test('an outage past a first token is counted once', async () => {
  const stage = await setStage({ lifeSeconds: 6 });
  const example = start(stage);
  await vi.waitFor(() => expect(example.stdout).toContain(`Connected as ${user}\n`), WAIT);
  stage.imds.setFault({ kind: 'status', status: 403 });

  const code = 'ERR_OIDC_ACCESS_DENIED';
  const refreshes = (outcome: string) => ({
    attributes: { ...about, 'mongodb_workload_identity.outcome': outcome },
    value: expect.any(Number),
  });
  await vi.waitFor(() => expect(pointsOf(example, 'refreshes')).toContainEqual(refreshes('failed')), WAIT);
  expect(pointsOf(example, 'outages')).toEqual([{ attributes: { ...about, 'error.type': code }, value: 1 }]);
  const failed = attemptsOf(example).filter(({ status }) => status.code === SpanStatusCode.ERROR);
  expect(failed[0]).toMatchObject({
    attributes: { ...failedWith(code), 'mongodb_workload_identity.attempt': 1 },
    status: { message: expect.stringContaining('403') },
  });
  // Nobody waits for a refresh: it is no part of the request that fetched the token before.
  expect(failed[0]).not.toHaveProperty('parentSpanId');

  await vi.waitFor(() => expect(pointsOf(example, 'token.remaining')[0]?.value).toBeLessThan(0), WAIT);
  await example.stop();
  expect(pointsOf(example, 'outages')).toEqual([{ attributes: { ...about, 'error.type': code }, value: 1 }]);
});

test('a refresh is a span of its own, and counted', async () => {
  const example = start(await setStage({ lifeSeconds: 4 }));
  const renewed = { ...about, 'mongodb_workload_identity.outcome': 'renewed' };
  await vi.waitFor(
    () =>
      expect(pointsOf(example, 'refreshes')).toEqual([{ attributes: renewed, value: expect.any(Number) }]),
    WAIT,
  );
  await example.stop();
  const [, refresh] = attemptsOf(example);
  expect(refresh).toMatchObject({ attributes: answered, status: { code: SpanStatusCode.UNSET } });
  expect(refresh).not.toHaveProperty('parentSpanId');
});
