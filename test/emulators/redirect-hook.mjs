// Loaded into a test's child process: its connections to the hosts in TEST_HOST_MAP go to loopback instead.
// TLS still checks the certificate against the name that the program asked for.
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';

const hosts = JSON.parse(process.env.TEST_HOST_MAP ?? '{}');

for (const { prototype } of [Agent, SecureAgent]) {
  const { createConnection } = prototype;
  prototype.createConnection = function (options, ...rest) {
    const target = hosts[`${options?.host}:${options?.port}`];
    if (target === undefined) return createConnection.call(this, options, ...rest);
    const { hostname: host, port } = new URL(`tcp://${target}`);
    return createConnection.call(this, { ...options, host, port: Number(port) }, ...rest);
  };
}
