// Loaded into a test's child process: what is at the paths where places show, and which names there are.
import dns from 'node:dns';
import fs from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

const { root, hosts, dnsServer } = JSON.parse(process.env.TEST_PLACE ?? '{}');

const PATHS = ['/sys/class/dmi/', '/var/run/secrets/', '/opt/azcmagent/'];

if (root !== undefined) {
  const at = (path) => (PATHS.some((start) => `${path}`.startsWith(start)) ? join(root, `${path}`) : path);
  for (const [module, names] of [
    [fs, ['accessSync']],
    [fs.promises, ['open', 'readFile', 'readdir']],
  ]) {
    for (const name of names) {
      const original = module[name];
      module[name] = (path, ...rest) => original.call(module, at(path), ...rest);
    }
  }
}

if (dnsServer !== undefined) dns.setServers([dnsServer]);

if (hosts !== undefined) {
  const { lookup } = dns;
  dns.lookup = (name, options, callback = options) => {
    const address = hosts[name];
    if (isIP(name) || name === 'localhost') return lookup(name, options, callback);
    if (address === undefined) return process.nextTick(callback, noAddress(name));
    if (options?.all) return process.nextTick(callback, null, [{ address, family: 4 }]);
    return process.nextTick(callback, null, address, 4);
  };
  dns.promises.lookup = (name, options) =>
    new Promise((resolve, reject) => {
      dns.lookup(name, { ...options }, (error, address, family) => {
        if (error) reject(error);
        else resolve(options?.all ? address : { address, family });
      });
    });
}

function noAddress(hostname) {
  const error = new Error(`getaddrinfo ENOTFOUND ${hostname}`);
  return Object.assign(error, { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname });
}
