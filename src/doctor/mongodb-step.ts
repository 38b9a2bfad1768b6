// MongoDB: the way to each host, what answers there, and whether it takes the token.

import { resolveSrv, resolveTxt } from 'node:dns/promises';
import type { MongoClient, MongoClientOptions } from 'mongodb';
import { isLoopback } from '../hosts.js';
import type { Claims } from '../jwt.js';
import { scrub, textOf } from '../secrets.js';
import type { Workload } from '../workload.js';
import { authenticate, judgeRoles } from './authentication.js';
import type { Surveyed } from './environment-step.js';
import type { Situation } from './finding.js';
import {
  answered,
  codeOf,
  connectTo,
  type Host,
  nameOf,
  resolveHost,
  shakeHands,
  type TLSParameters,
  tlsParameters,
} from './network.js';
import type { Installed } from './packages.js';
import { CheckFailed, type Outcome, ok, type Report, warning } from './report.js';
import type { IdentityProvider } from './server-config.js';
import { clockFindings } from './token-findings.js';

/** What the earlier steps found out. */
export interface Prepared {
  readonly workload: Workload;
  readonly driver: Installed;
  readonly surveyed: Surveyed | undefined;
  /** Of the token; undefined where there is none. */
  readonly claims: Claims | undefined;
  readonly situation: Situation;
  readonly providers: readonly IdentityProvider[] | undefined;
  readonly timeoutMS: number;
}

type Client = Pick<MongoClient, 'db' | 'close'>;
type MakeClient = new (uri: string, options: MongoClientOptions) => Client;

/** MongoDB 7.0, the first with MONGODB-OIDC. */
const OLDEST_WIRE_VERSION = 21;
const DEFAULT_PORT = 27017;

export async function examineMongoDB(prepared: Prepared, report: Report): Promise<void> {
  const { workload, driver, surveyed, claims, timeoutMS } = prepared;
  const hosts = await report.check('mongodb', 'name', 'looking for the hosts', () =>
    findHosts(workload, timeoutMS),
  );
  if (!hosts) return;
  const parameters = tlsParameters(workload.connection);
  const way = { usesTLS: workload.usesTLS, parameters, timeoutMS };
  // Where a firewall drops packets, each takes the whole of its time.
  const journeys = hosts.map((host) => ({
    title: `connecting to ${nameOf(host)}`,
    run: () => travel(host, way),
  }));
  const reached = (await report.checkAll('mongodb', 'host', journeys)).find(Boolean);
  if (!reached) return;

  const { MongoClient } = driver.load() as { MongoClient: MakeClient };
  const server = await report.check('mongodb', 'hello', 'saying hello', () =>
    sayHello(MongoClient, reached, way, prepared),
  );
  if (!server) return;
  if (!surveyed || !claims) {
    report.note('mongodb', 'authentication', { status: 'skipped', summary: 'Not tried: there is no token' });
    return;
  }
  const situation = { ...prepared.situation, clockOffsetMS: server.clockOffsetMS };
  for (const finding of clockFindings({}, situation)) report.note('mongodb', 'clock', warning(finding));
  const [uri, options] = workload.clientArguments(surveyed.callback);
  const status = await report.check('mongodb', 'authentication', 'authenticating', () =>
    authenticate(new MongoClient(uri, { ...options, ...patience(timeoutMS) }), {
      ...prepared,
      claims,
      situation,
    }),
  );
  if (!status) return;
  await report.check('mongodb', 'roles', 'asking for the roles', async () => judgeRoles(status));
}

async function findHosts({ connection }: Workload, timeoutMS: number): Promise<[Outcome, Host[]]> {
  const { isSRV, seeds } = connection;
  if (!isSRV) {
    const hosts = seeds.map(readSeed);
    return [ok(hosts.map(nameOf).join(', ')), hosts];
  }
  const name = `${seeds[0]}`;
  const service = connection.get('srvServiceName') ?? 'mongodb';
  const record = `_${service}._tcp.${name}`;
  try {
    const found = await answered(resolveSrv(record), timeoutMS);
    const hosts = found.map(({ name: host, port }) => ({ host, port }));
    const texts = await answered(resolveTxt(name), timeoutMS).catch(() => []);
    const options = texts.map((parts) => parts.join('')).join('&');
    const summary = `The SRV record of ${name} leads to ${hosts.map(nameOf).join(', ')}${options && `; TXT: ${options}`}`;
    return [ok(summary, { hosts: hosts.map(nameOf), options }), hosts];
  } catch (error) {
    throw new CheckFailed({
      code: 'SRV_NOT_FOUND',
      summary: `There is no SRV record ${record} (${codeOf(error)}).`,
      fix: 'Look at the name of the cluster, and at the DNS of this place. A host of its own, not a cluster of Atlas, is connected to by mongodb://, not mongodb+srv://.',
    });
  }
}

/** A seed that the connection string's reader has let pass. */
function readSeed(seed: string): Host {
  const { hostname, port } = new URL(`seed://${seed}`);
  return { host: decodeURIComponent(hostname).replace(/^\[|\]$/g, ''), port: Number(port) || DEFAULT_PORT };
}

interface Way {
  readonly usesTLS: boolean;
  readonly parameters: TLSParameters;
  readonly timeoutMS: number;
}

async function travel(host: Host, { usesTLS, parameters, timeoutMS }: Way): Promise<[Outcome, Host]> {
  const addresses = await resolveHost(host, timeoutMS);
  (await connectTo(host, timeoutMS)).destroy();
  const details = { host: nameOf(host), addresses };
  if (!usesTLS) {
    const summary = `${nameOf(host)} accepts connections, without TLS`;
    if (isLoopback(host.host)) return [ok(summary, details), host];
    const code = 'INSECURE_TRANSPORT';
    return [
      warning({ code, summary, fix: 'Set tls=true: whoever reads a token on its way can use it.' }),
      host,
    ];
  }
  const { protocol, validTo } = await shakeHands(host, parameters, timeoutMS);
  const until = validTo.toISOString().slice(0, 10);
  return [
    ok(`${nameOf(host)} accepts connections, ${protocol}, certificate until ${until}`, {
      ...details,
      protocol,
      validTo,
    }),
    host,
  ];
}

/** What is known of a server. */
interface Server {
  /** Its clock minus ours. */
  readonly clockOffsetMS: number | undefined;
}

async function sayHello(
  MongoClient: MakeClient,
  host: Host,
  { usesTLS, parameters, timeoutMS }: Way,
  { workload }: Prepared,
): Promise<[Outcome, Server]> {
  const client = new MongoClient(`mongodb://${nameOf(host)}/`, {
    directConnection: true,
    tls: usesTLS,
    ...parameters,
    ...patience(timeoutMS),
  });
  try {
    const askedAt = Date.now();
    const { maxWireVersion, localTime } = await client.db('admin').command({ hello: 1 });
    const version = await versionOf(client, maxWireVersion);
    const isDocumentDB = workload.trusted.documentDB !== undefined;
    if (maxWireVersion < OLDEST_WIRE_VERSION && !isDocumentDB) {
      throw new CheckFailed({
        code: 'SERVER_TOO_OLD',
        summary: `${nameOf(host)} is ${version}, and MONGODB-OIDC came with MongoDB 7.0.`,
        fix: 'Upgrade the server to 7.0.11 or later (Atlas or Enterprise).',
      });
    }
    const clockOffsetMS =
      localTime instanceof Date ? localTime.getTime() - (askedAt + Date.now()) / 2 : undefined;
    return [
      ok(`${nameOf(host)} is ${version}`, { version, maxWireVersion, clockOffsetMS }),
      { clockOffsetMS },
    ];
  } catch (error) {
    if (error instanceof CheckFailed) throw error;
    if (!usesTLS && (await speaksTLS(host, parameters, timeoutMS))) {
      throw new CheckFailed({
        code: 'TLS_REQUIRED',
        summary: `${nameOf(host)} answers with TLS only.`,
        fix: 'Set tls=true in the connection string.',
      });
    }
    throw new CheckFailed({
      code: 'NO_MONGODB',
      summary: `What listens at ${nameOf(host)} does not answer as MongoDB does: ${scrub(textOf(error))}`,
      fix: 'Look at the port, and at what is between here and the server: a proxy, a load balancer, a service mesh.',
    });
  } finally {
    await client.close();
  }
}

async function speaksTLS(host: Host, parameters: TLSParameters, timeoutMS: number): Promise<boolean> {
  return shakeHands(host, { ...parameters, tlsInsecure: true }, timeoutMS).then(
    () => true,
    () => false,
  );
}

/** Newer servers tell only who has authenticated. */
async function versionOf(client: Client, maxWireVersion: number): Promise<string> {
  try {
    const { version, modules } = await client.db('admin').command({ buildInfo: 1 });
    return `MongoDB ${version}${modules?.includes?.('enterprise') ? ' Enterprise' : ''}`;
  } catch {
    return `a MongoDB of wire version ${maxWireVersion}`;
  }
}

function patience(timeoutMS: number): MongoClientOptions {
  // A server that accepts and then says nothing would be waited for without end.
  return { serverSelectionTimeoutMS: timeoutMS, connectTimeoutMS: timeoutMS, socketTimeoutMS: timeoutMS };
}
