// What the driver makes of a connection string, read by itself and through the package. Nothing is connected.
import { inspect } from 'node:util';
import { MongoClient } from 'mongodb';
import { workloadIdentity } from 'mongodb-workload-identity';
import { answerEach } from './lines.mjs';

await answerEach(({ uri, options }) => ({
  byDriver: read(() => [uri, options]),
  byPackage: read(() => workloadIdentity(uri, options)),
}));

function read(clientArguments) {
  try {
    const { credentials, ...others } = new MongoClient(...clientArguments()).options;
    const { ENVIRONMENT, OIDC_CALLBACK, ALLOWED_HOSTS, ...properties } = credentials.mechanismProperties;
    return {
      hosts: others.hosts.map(String),
      srvHost: others.srvHost,
      callback: OIDC_CALLBACK?.name,
      allowedHosts: OIDC_CALLBACK && ALLOWED_HOSTS,
      username: credentials.username,
      mechanism: credentials.mechanism,
      source: credentials.source,
      properties,
      // Every option, in a form that can be compared: there are functions and streams among them.
      others: inspect(others, { depth: 8, sorted: true, breakLength: Number.POSITIVE_INFINITY }),
    };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}
