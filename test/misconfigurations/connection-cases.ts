// The connection string cannot be used, or the way to the server is closed.
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCertificates } from '../emulators/certificates.js';
import { startDns } from '../emulators/dns.js';
import { createTokenDirectory } from '../emulators/kubernetes.js';
import type { Misconfiguration, ServerOptions, Stage } from './misconfiguration.js';
import { audience } from './run-case.js';

const properties = `authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s,TOKEN_RESOURCE:${audience}`;

/** A connection string that goes wrong before anything is connected to. */
const unread = (uri: string, ...args: readonly string[]) => ({ args: [uri, '--no-connect', ...args] });
const atlas = 'cluster0.abcde.mongodb.net';
const password = 'S3cret-of-0rders!';

async function tokens(stage: Stage) {
  return stage.keep(await createTokenDirectory({ issuer: 'https://oidc.example.com', audience }));
}

/** A pod with a good token, and a server that takes it. */
async function pod(stage: Stage, options: ServerOptions = {}) {
  const source = await tokens(stage);
  const server = await stage.server(source, options);
  /** What follows `mongodb://`, or a server elsewhere. */
  const args = (more = '', address = server.address) => [
    `mongodb://${address}/?${properties}${more}`,
    ...['--token-file', source.path, '--timeout', '20'],
  ];
  return { server, args, source };
}

async function certificates(stage: Stage, names: readonly string[] = []) {
  return stage.keep(await createCertificates(names));
}

export const connectionCases: readonly Misconfiguration[] = [
  {
    id: 'host-not-allowed',
    title: 'The host is not in ALLOWED_HOSTS',
    symptom:
      "The driver refuses it: `Host 'db.example.org:27017' is not valid for OIDC authentication with ALLOWED_HOSTS of …`; `workloadIdentity` with `allowedHosts` throws `ERR_OIDC_INVALID_URI`.",
    setUp: async (stage) => {
      const { args } = await pod(stage);
      const allowed = stage.isRepaired ? '127.0.0.1' : '*.mongodb.net,*.example.com';
      return { args: [...args(), '--allowed-hosts', allowed], replace: { '127.0.0.1': 'db.example.org' } };
    },
    hasTwin: true,
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /leads to '127\.0\.0\.1', and allowed are only: '\*\.mongodb\.net', '\*\.example\.com'/,
    fix: /ALLOWED_HOSTS/,
  },
  {
    id: 'host-loosely-allowed',
    title: 'The host only looks like one of ALLOWED_HOSTS',
    symptom:
      'With `ALLOWED_HOSTS` of `*.mongodb.net`, a driver before 7.2 sends the token to `evilmongodb.net` as well (NODE-7478). Nothing fails. `workloadIdentity` does not let it pass.',
    setUp: async (stage) => {
      const host = stage.isRepaired ? 'db.mongodb.net' : 'evilmongodb.net';
      const { path } = await tokens(stage);
      return {
        ...unread(
          `mongodb://${host}/?${properties}`,
          '--allowed-hosts',
          '*.mongodb.net',
          '--token-file',
          path,
        ),
        packages: { mongodb: 'mongodb-6.22' },
      };
    },
    hasTwin: true,
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /leads to 'evilmongodb\.net', and allowed are only: '\*\.mongodb\.net'/,
    fix: /ALLOWED_HOSTS/,
  },
  {
    id: 'tls-required',
    title: 'The server wants TLS, and the connection string has none',
    symptom: 'Every operation fails after 30 s with `MongoServerSelectionError`: the connection is closed.',
    async setUp(stage) {
      const tls = await certificates(stage);
      const { args } = await pod(stage, { tls });
      const way = stage.isRepaired ? `&tls=true&tlsCAFile=${encodeURIComponent(tls.caFile)}` : '';
      return { args: args(way) };
    },
    hasTwin: true,
    check: 'hello',
    code: 'TLS_REQUIRED',
    says: /127\.0\.0\.1:\d+ answers with TLS only/,
    fix: /tls=true/,
  },
  {
    id: 'tls-not-offered',
    title: 'The connection string has tls=true, and the server no TLS',
    symptom: 'Every operation fails after 30 s with `MongoServerSelectionError`: the handshake fails.',
    async setUp(stage) {
      const { args } = await pod(stage);
      return { args: args(stage.isRepaired ? '' : '&tls=true') };
    },
    hasTwin: true,
    check: 'host',
    code: 'TLS_FAILED',
    says: /accepts a connection and no TLS on it \(ECONNRESET\)/,
    fix: /tls=false/,
  },
  {
    id: 'tls-name',
    title: 'The certificate is for another name',
    symptom:
      'Every operation fails after 30 s with `MongoServerSelectionError`: `Hostname/IP does not match certificate’s altnames`.',
    async setUp(stage) {
      const tls = await certificates(stage);
      const host = stage.isRepaired ? '127.0.0.1' : '127.0.0.2';
      const { args } = await pod(stage, { tls, host });
      return { args: args(`&tls=true&tlsCAFile=${encodeURIComponent(tls.caFile)}`) };
    },
    hasTwin: true,
    check: 'host',
    code: 'TLS_NAME_MISMATCH',
    says: /certificate of 127\.0\.0\.2:\d+ is for other names: IP Address:127\.0\.0\.1, DNS:localhost/,
    fix: /Connect by one of these names/,
  },
  {
    id: 'tls-authority',
    title: 'The certificate is from an authority that is not trusted here',
    symptom:
      'Every operation fails after 30 s with `MongoServerSelectionError`: `unable to verify the first certificate`.',
    async setUp(stage) {
      const tls = await certificates(stage);
      const { args } = await pod(stage, { tls });
      return {
        args: args('&tls=true'),
        ...(stage.isRepaired && { env: { NODE_EXTRA_CA_CERTS: tls.caFile } }),
      };
    },
    hasTwin: true,
    check: 'host',
    code: 'TLS_NOT_TRUSTED',
    says: /from an authority that is not trusted here/,
    fix: /tlsCAFile/,
  },
  {
    id: 'tls-file',
    title: 'The file of tlsCAFile is not there',
    symptom: 'The client cannot be made: `ENOENT: no such file or directory`.',
    async setUp(stage) {
      const tls = await certificates(stage);
      const { args } = await pod(stage, { tls });
      const file = stage.isRepaired ? tls.caFile : '/etc/ssl/mongodb-ca.pem';
      return { args: args(`&tls=true&tlsCAFile=${encodeURIComponent(file)}`) };
    },
    hasTwin: true,
    check: 'host',
    code: 'TLS_FILE',
    says: /tlsCAFile, \/etc\/ssl\/mongodb-ca\.pem, cannot be read \(ENOENT\)/,
    fix: /path/,
  },
  {
    id: 'srv-missing',
    title: 'The name of the cluster has no SRV record',
    symptom: 'Connecting fails: `querySrv ENOTFOUND _mongodb._tcp.cluster0.shop.test`.',
    async setUp(stage) {
      const tls = await certificates(stage, ['node-1.shop.test']);
      const { server, source } = await pod(stage, { tls });
      const target = { target: 'node-1.shop.test', port: server.port };
      const srv = { '_mongodb._tcp.cluster0.shop.test': [target] };
      const { address } = stage.keep(await startDns(stage.isRepaired ? { srv } : {}));
      const uri = `mongodb+srv://cluster0.shop.test/?${properties}&tlsCAFile=${encodeURIComponent(tls.caFile)}`;
      return {
        args: [uri, '--token-file', source.path, '--timeout', '20'],
        env: await stage.place({ hosts: { 'node-1.shop.test': '127.0.0.1' }, dnsServer: address }),
      };
    },
    hasTwin: true,
    check: 'name',
    code: 'SRV_NOT_FOUND',
    says: /no SRV record _mongodb\._tcp\.cluster0\.shop\.test \(ENOTFOUND\)/,
    fix: /mongodb:\/\/, not mongodb\+srv:\/\//,
  },
  {
    id: 'host-not-found',
    title: 'The name of the host has no address',
    symptom: 'Every operation fails after 30 s with `MongoServerSelectionError`: `getaddrinfo ENOTFOUND`.',
    async setUp(stage) {
      const { server, args } = await pod(stage);
      const host = stage.isRepaired ? 'localhost' : 'db.shop.invalid';
      return { args: args('', `${host}:${server.port}`), env: await stage.place({ hosts: {} }) };
    },
    hasTwin: true,
    check: 'host',
    code: 'HOST_NOT_FOUND',
    says: /db\.shop\.invalid has no address \(ENOTFOUND\)/,
    fix: /private DNS zone/,
  },
  {
    id: 'port-closed',
    title: 'Nothing listens at that port',
    symptom: 'Every operation fails after 30 s with `MongoServerSelectionError`: `connect ECONNREFUSED`.',
    async setUp(stage) {
      const { server, args } = await pod(stage);
      if (!stage.isRepaired) await server.close();
      return { args: args() };
    },
    hasTwin: true,
    check: 'host',
    code: 'PORT_CLOSED',
    says: /127\.0\.0\.1:\d+ refuses connections/,
    fix: /paused/,
  },
  {
    id: 'not-mongodb',
    title: 'Something else than MongoDB listens there',
    symptom: 'Every operation fails after 30 s with `MongoServerSelectionError`.',
    async setUp(stage) {
      const web = createHttpServer((_, response) => response.end());
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
      stage.keep({ close: () => web.close().closeAllConnections() });
      const { port } = web.address() as AddressInfo;
      const { server, args } = await pod(stage);
      const address = stage.isRepaired ? server.address : `127.0.0.1:${port}`;
      return { args: args('', address), replace: { [`:${port}`]: ':8080' } };
    },
    hasTwin: true,
    check: 'hello',
    code: 'NO_MONGODB',
    says: /What listens at 127\.0\.0\.1:\d+ does not answer as MongoDB does/,
    fix: /port/,
  },
  {
    id: 'insecure-transport',
    title: 'The token travels without TLS',
    symptom: 'Nothing fails. There is a process warning `OIDC_INSECURE_TRANSPORT`.',
    status: 'warning',
    async setUp(stage) {
      const { server, args } = await pod(stage);
      const host = stage.isRepaired ? 'localhost' : 'db.shop.test';
      return {
        args: args('', `${host}:${server.port}`),
        env: await stage.place({ hosts: { 'db.shop.test': '127.0.0.1' } }),
      };
    },
    hasTwin: true,
    check: 'host',
    code: 'INSECURE_TRANSPORT',
    says: /db\.shop\.test:\d+ accepts connections, without TLS/,
    fix: /tls=true/,
  },
  {
    id: 'comma-in-audience',
    title: 'The audience in the connection string holds a comma',
    symptom:
      'The client cannot be made: `ERR_OIDC_INVALID_URI`; the driver says `authMechanismProperties must be an object`.',
    setUp: async (stage) => {
      const source = stage.keep(await createTokenDirectory({ audience: 'mongodb,orders' }));
      const uri = `mongodb+srv://${atlas}/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s`;
      const args = ['--no-connect', '--token-file', source.path];
      return {
        args: stage.isRepaired
          ? [uri, ...args, '--audience', 'mongodb,orders']
          : [`${uri},TOKEN_RESOURCE:mongodb,orders`, ...args],
      };
    },
    hasTwin: true,
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /pairs with a colon.*An audience that holds a comma must go into the options/,
    fix: /connection string|--audience/,
  },
  {
    id: 'password',
    title: 'There is a password in the connection string',
    symptom:
      'The client cannot be made: `ERR_OIDC_INVALID_URI`; the driver says `Password not allowed in ENVIRONMENT MONGODB-OIDC`.',
    setUp: async (stage) => {
      const { path } = await tokens(stage);
      const user = stage.isRepaired ? '' : `orders:${password}@`;
      return unread(`mongodb+srv://${user}${atlas}/?${properties}`, '--token-file', path);
    },
    hasTwin: true,
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /There is a password, and MONGODB-OIDC takes none/,
    fix: /connection string/,
  },
  {
    id: 'unencoded-character',
    title: 'A character of the connection string is not percent-encoded',
    symptom:
      'The client cannot be made: `ERR_OIDC_INVALID_URI`; the driver says `Unescaped at-sign in authority section`.',
    setUp: async () => unread(`mongodb+srv://orders@example.com:${password}@${atlas}/?${properties}`),
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /unescaped in its user part.*Percent-encode it: '@' is %40/,
    fix: /connection string/,
  },
  {
    id: 'environment-misspelt',
    title: 'ENVIRONMENT is misspelt',
    symptom:
      'The client cannot be made: `ERR_OIDC_INVALID_URI`; the driver says `Currently only a ENVIRONMENT in … is supported`.',
    setUp: async (stage) => {
      const { path } = await tokens(stage);
      const name = stage.isRepaired ? 'k8s' : 'kubernetes';
      return unread(`mongodb+srv://${atlas}/?${properties.replace('k8s', name)}`, '--token-file', path);
    },
    hasTwin: true,
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /ENVIRONMENT:kubernetes is not known.*Known are azure, gcp, k8s/,
    fix: /connection string/,
  },
  {
    id: 'token-resource-missing',
    title: 'TOKEN_RESOURCE is missing',
    symptom:
      'The client cannot be made: `ERR_OIDC_INVALID_URI`; the driver says `TOKEN_RESOURCE must be set`.',
    setUp: async () =>
      unread(`mongodb+srv://${atlas}/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure`),
    check: 'connection-string',
    code: 'ERR_OIDC_INVALID_URI',
    says: /Add authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:<audience> to the connection string/,
    fix: /--audience|connection string/,
  },
];
