import { request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Answer, HttpService, json, type RecordedRequest } from './http.js';

class Service extends HttpService {
  protected isTokenRequest({ path }: RecordedRequest): boolean {
    return path === '/token';
  }

  protected answer(_request: RecordedRequest, { emptyToken }: { emptyToken: boolean }): Answer {
    return json(200, { token: emptyToken ? '' : 'abc' });
  }

  protected errorAnswer(status: number): Answer {
    return json(status, { error: `usual ${status}` }, { 'x-usual': 'yes' });
  }
}

let service: Service;

beforeEach(async () => {
  service = new Service({ headers: { 'x-service': 'emulator' } });
  await service.listen({});
});

afterEach(() => service.close());

const get = async (path = '/token') => {
  const response = await fetch(`${service.url}${path}`);
  return { status: response.status, headers: response.headers, body: await response.text() };
};

it('records each request', async () => {
  await fetch(`${service.url}/a%20b?x=1%262&y=`, {
    method: 'POST',
    body: 'text',
    headers: { 'X-Name': 'v' },
  });
  expect(service.requests).toEqual([
    {
      method: 'POST',
      path: '/a%20b',
      query: { x: '1&2', y: '' },
      rawUrl: '/a%20b?x=1%262&y=',
      headers: expect.objectContaining({ 'x-name': 'v' }),
      body: 'text',
    },
  ]);
});

it('answers after the latency and counts requests in flight', async () => {
  service.latencyMS = 100;
  const started = performance.now();
  await Promise.all([get(), get(), get()]);
  expect(performance.now() - started).toBeGreaterThanOrEqual(95);
  expect(service.maxConcurrent).toBe(3);
});

it('takes faults from the queue, then the lasting one, then none', async () => {
  service.faults.push({ kind: 'status', status: 500 }, { kind: 'status', status: 503 });
  service.setFault({ kind: 'status', status: 429 });
  expect([(await get()).status, (await get()).status, (await get()).status, (await get()).status]).toEqual([
    500, 503, 429, 429,
  ]);
  service.setFault(undefined);
  expect((await get()).status).toBe(200);
});

it('keeps faults for token requests', async () => {
  service.faults.push({ kind: 'status', status: 500 });
  expect((await get('/other')).status).toBe(200);
  expect(service.faults).toHaveLength(1);
});

it('sends the usual body of a status, unless told otherwise', async () => {
  service.faults.push(
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429, body: 'slow', headers: { 'retry-after': '1', 'x-service': undefined } },
  );
  const usual = await get();
  expect(usual.body).toBe('{"error":"usual 500"}');
  expect(usual.headers.get('x-usual')).toBe('yes');
  expect(usual.headers.get('x-service')).toBe('emulator');
  const own = await get();
  expect(own.body).toBe('slow');
  expect(own.headers.get('retry-after')).toBe('1');
  expect(own.headers.get('x-service')).toBeNull();
});

it('answers 200 with a page, with nothing, with an empty token', async () => {
  service.faults.push({ kind: 'html' }, { kind: 'noBody' }, { kind: 'emptyToken' });
  const page = await get();
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(await get()).toMatchObject({ status: 200, body: '' });
  expect(await get()).toMatchObject({ status: 200, body: '{"token":""}' });
});

it('resets a connection', async () => {
  service.faults.push({ kind: 'reset' });
  const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
    request(`${service.url}/token`).once('error', resolve).end();
  });
  expect(error.code).toBe('ECONNRESET');
});

it('cuts a body, with the length of the whole or of the half', async () => {
  service.faults.push({ kind: 'truncated' }, { kind: 'truncated', clean: true });
  await expect(get()).rejects.toThrow('terminated');
  expect(await get()).toMatchObject({ status: 200, body: '{"token"' });
});

it('hangs until the client leaves or the emulator closes', async () => {
  service.faults.push({ kind: 'hang' }, { kind: 'hang' });
  await expect(fetch(`${service.url}/token`, { signal: AbortSignal.timeout(50) })).rejects.toThrow('timeout');
  const second = fetch(`${service.url}/token`).catch((error: Error) => error.message);
  while (service.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await service.close();
  expect(await second).toBe('fetch failed');
  service = new Service({});
  await service.listen({});
});
