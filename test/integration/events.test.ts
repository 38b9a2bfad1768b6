// What the diagnostics channels say of a program that takes its tokens from IMDS, through throttling and an
// outage, and of one whose token file stays as it is.

import diagnostics from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import type { FetchEvent, OutageEvent, RefreshEvent, RetryEvent } from 'mongodb-workload-identity';
import { KubernetesCallback } from 'mongodb-workload-identity/kubernetes';
import { expect, it, onTestFinished, vi } from 'vitest';
import { defaultIdentities, startAzureImds } from '../emulators/azure.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import { startMongoServer } from '../emulators/mongodb/index.js';
import { Service } from '../life/service.js';

/** Longer than anything here takes. */
const WAIT = { timeout: 30_000, interval: 50 };
const audience = 'api://mongodb';
const code = 'ERR_OIDC_RATE_LIMITED';
const durationMS = expect.any(Number);
const expiresAt = expect.any(Date);

it('tell the life of a token from IMDS', async () => {
  const imds = await startAzureImds({ lifeSeconds: 6 });
  onTestFinished(() => imds.close());
  const { issuer, jwksUri } = imds;
  const server = await startMongoServer({
    identityProviders: [{ issuer, jwksUri, audience, authNamePrefix: 'azure' }],
  });
  onTestFinished(() => server.close());
  const service = new Service(imds.env);
  onTestFinished(() => service.close());
  const username = defaultIdentities[1]?.clientId;
  const about = { environment: 'AzureManagedIdentityCallback', audience, username };
  const heard = (channel: string) => service.events.filter((event) => event.channel === channel);

  await service.call('listen');
  await service.call('callback', {
    id: 'azure',
    kind: 'AzureManagedIdentityCallback',
    options: { audience },
  });
  imds.faults.push({ kind: 'status', status: 429 });
  await service.call('connect', {
    id: 'client',
    callback: 'azure',
    uri: server.uri,
    poolSize: 1,
    username,
  });
  type Heard = (FetchEvent | RetryEvent) & { channel: string; error?: Error };
  const first: Heard[] = [
    { channel: 'start', ...about, attempt: 1 },
    {
      channel: 'asyncEnd',
      ...about,
      attempt: 1,
      outcome: 'error',
      durationMS,
      code,
      error: expect.any(Error),
    },
    { channel: 'retry', ...about, attempt: 1, code, backoffMS: expect.any(Number) },
    { channel: 'start', ...about, attempt: 2 },
    { channel: 'asyncEnd', ...about, attempt: 2, outcome: 'token', durationMS, expiresAt },
  ];
  expect(service.events.slice(0, 5)).toEqual(first);
  const exp = (server.claims[0]?.exp ?? 0) * 1_000;
  expect(service.events[4]).toMatchObject({ expiresAt: new Date(exp) });

  await vi.waitFor(() => expect(heard('refresh')).toHaveLength(1), WAIT);
  expect(heard('refresh')).toEqual([{ channel: 'refresh', ...about, outcome: 'renewed' }]);
  expect(heard('start')).toHaveLength(3);
  expect(heard('start')[2]).toEqual({ channel: 'start', ...about, attempt: 1 });

  imds.setFault({ kind: 'status', status: 403 });
  await vi.waitFor(() => expect(heard('outage')).toHaveLength(1), WAIT);
  const [outage] = heard('outage') as unknown as OutageEvent[];
  expect(outage).toEqual({
    channel: 'outage',
    ...about,
    code: 'ERR_OIDC_ACCESS_DENIED',
    error: expect.any(Error),
    expiresAt: heard('asyncEnd')[2]?.expiresAt,
  });
  await vi.waitFor(() => expect(heard('refresh')).toHaveLength(2), WAIT);
  expect(heard('refresh')[1]).toEqual({ channel: 'refresh', ...about, outcome: 'failed' });

  expect(heard('asyncEnd')).toHaveLength(heard('start').length);
  expect(inspect(service.events, { depth: null })).not.toMatch(/eyJ/);
});

it('tell that a source has no other token yet', async () => {
  const tokens = await createTokenDirectory({ audience: 'mongodb', lifeSeconds: 3 });
  onTestFinished(() => tokens.close());
  const refreshes: RefreshEvent[] = [];
  const onRefresh = (event: unknown) => refreshes.push(event as RefreshEvent);
  diagnostics.subscribe('mongodb-workload-identity.refresh', onRefresh);
  onTestFinished(() => void diagnostics.unsubscribe('mongodb-workload-identity.refresh', onRefresh));

  const callback = new KubernetesCallback({ tokenFile: tokens.path });
  await callback.fetch();
  const about = { environment: 'KubernetesCallback', audience: undefined, username: undefined };
  await vi.waitFor(() => expect(refreshes).toEqual([{ ...about, outcome: 'unchanged' }]), WAIT);
});
