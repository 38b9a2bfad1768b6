import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DnsEmulator, startDns } from './dns.js';

let dns: DnsEmulator;
const resolver = new Resolver({ timeout: 2000, tries: 1 });

beforeAll(async () => {
  dns = await startDns({
    srv: {
      '_mongodb._tcp.cluster0.example.com': [
        { target: 'a.example.com', port: 27017 },
        { target: 'b.example.com', port: 27018, priority: 1, weight: 2 },
      ],
    },
    txt: { 'cluster0.example.com': ['authSource=$external&replicaSet=rs0'] },
  });
  resolver.setServers([dns.address]);
});

afterAll(() => dns.close());

it('answers SRV queries, whatever their case', async () => {
  expect(await resolver.resolveSrv('_MongoDB._tcp.cluster0.Example.com')).toEqual([
    { name: 'a.example.com', port: 27017, priority: 0, weight: 0 },
    { name: 'b.example.com', port: 27018, priority: 1, weight: 2 },
  ]);
});

it('answers TXT queries', async () => {
  expect(await resolver.resolveTxt('cluster0.example.com')).toEqual([
    ['authSource=$external&replicaSet=rs0'],
  ]);
});

it('tells a name without such a record from an unknown name', async () => {
  await expect(resolver.resolveTxt('_mongodb._tcp.cluster0.example.com')).rejects.toMatchObject({
    code: 'ENODATA',
  });
  await expect(resolver.resolveSrv('_mongodb._tcp.other.example.com')).rejects.toMatchObject({
    code: 'ENOTFOUND',
  });
});

it('records the queries', () => {
  expect(dns.queries).toContain('TXT cluster0.example.com');
});
