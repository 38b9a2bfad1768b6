// What is between here and a host: its name, its port, its TLS.

import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTLS, type PeerCertificate } from 'node:tls';
import { oneLine } from '../jwt.js';
import type { ConnectionString } from '../uri.js';
import { CheckFailed } from './report.js';

export interface Host {
  readonly host: string;
  readonly port: number;
}

/** The connection string's parameters for TLS, as the driver takes them as options. */
export type TLSParameters = Readonly<Record<string, string | boolean>>;

const TLS_TEXTS = ['tlsCAFile', 'tlsCRLFile', 'tlsCertificateKeyFile', 'tlsCertificateKeyFilePassword'];
const TLS_FLAGS = ['tlsAllowInvalidCertificates', 'tlsAllowInvalidHostnames', 'tlsInsecure'];

export function tlsParameters(connection: ConnectionString): TLSParameters {
  const parameters: Record<string, string | boolean> = {};
  for (const name of [...TLS_TEXTS, ...TLS_FLAGS]) {
    const value = connection.get(name);
    if (value !== undefined) parameters[name] = TLS_FLAGS.includes(name) ? value === 'true' : value;
  }
  return parameters;
}

export function nameOf({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** @throws CheckFailed `HOST_NOT_FOUND` */
export async function resolveHost({ host }: Host, timeoutMS: number): Promise<readonly string[]> {
  try {
    return (await answered(lookup(host, { all: true }), timeoutMS)).map(({ address }) => address);
  } catch (error) {
    throw new CheckFailed({
      code: 'HOST_NOT_FOUND',
      summary: `The name ${host} has no address (${codeOf(error)}).`,
      fix: 'Look at its spelling, and at the DNS of this place: a private endpoint needs its private DNS zone.',
    });
  }
}

/** @throws CheckFailed `PORT_CLOSED`, `HOST_UNREACHABLE` */
export async function connectTo(host: Host, timeoutMS: number): Promise<Socket> {
  try {
    return await opened(connect(host), 'connect', timeoutMS);
  } catch (error) {
    const code = codeOf(error);
    throw new CheckFailed(
      code === 'ECONNREFUSED'
        ? {
            code: 'PORT_CLOSED',
            summary: `${nameOf(host)} refuses connections: nothing listens there.`,
            fix: 'Look at the port and at whether the server runs; for Atlas, at whether the cluster is paused.',
          }
        : {
            code: 'HOST_UNREACHABLE',
            summary: `${nameOf(host)} does not answer (${code}).`,
            fix: "Look at firewalls, network policies and routes from here, and at the server's access list (Atlas: Network Access): it needs the address that this place goes out with.",
          },
    );
  }
}

/** What a TLS handshake came to. */
export interface Handshake {
  readonly protocol: string | null;
  readonly validTo: Date;
}

/** @throws CheckFailed `TLS_…` */
export async function shakeHands(
  host: Host,
  parameters: TLSParameters,
  timeoutMS: number,
): Promise<Handshake> {
  const { tlsCAFile, tlsCertificateKeyFile, tlsCertificateKeyFilePassword, tlsInsecure } = parameters;
  const key = read(tlsCertificateKeyFile, 'tlsCertificateKeyFile');
  const socket = connectTLS({
    ...host,
    ...(/^[\d.]+$|:/.test(host.host) ? {} : { servername: host.host }),
    ca: read(tlsCAFile, 'tlsCAFile'),
    key,
    cert: key,
    passphrase: tlsCertificateKeyFilePassword as string | undefined,
    rejectUnauthorized: !(tlsInsecure || parameters.tlsAllowInvalidCertificates),
    ...((tlsInsecure || parameters.tlsAllowInvalidHostnames) && { checkServerIdentity: () => undefined }),
  });
  try {
    await opened(socket, 'secureConnect', timeoutMS);
    return { protocol: socket.getProtocol(), validTo: new Date(socket.getPeerCertificate().valid_to) };
  } catch (error) {
    throw tlsProblem(host, error);
  } finally {
    socket.destroy();
  }
}

function tlsProblem(host: Host, error: unknown): CheckFailed {
  const code = codeOf(error);
  const name = nameOf(host);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { cert } = error as { cert?: PeerCertificate };
    const names = oneLine(cert?.subjectaltname ?? 'none');
    return new CheckFailed({
      code: 'TLS_NAME_MISMATCH',
      summary: `The certificate of ${name} is for other names: ${names}.`,
      fix: 'Connect by one of these names, or give the server a certificate with the name used here.',
    });
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return new CheckFailed({
      code: 'TLS_CERTIFICATE_EXPIRED',
      summary: `The certificate of ${name} is not valid now (${code}).`,
      fix: "Renew it, and look at this machine's clock.",
    });
  }
  if (/CERT|ISSUER|SELF_SIGNED|SIGNATURE/.test(code)) {
    return new CheckFailed({
      code: 'TLS_NOT_TRUSTED',
      summary: `The certificate of ${name} is from an authority that is not trusted here (${code}).`,
      fix: 'Set tlsCAFile in the connection string, or NODE_EXTRA_CA_CERTS, to the certificate of its authority.',
    });
  }
  return new CheckFailed({
    code: 'TLS_FAILED',
    summary: `${name} accepts a connection and no TLS on it (${code}).`,
    fix: 'Look at whether this server has TLS on this port; without it the connection string needs tls=false, and tokens travel in clear.',
  });
}

function read(path: string | boolean | undefined, name: string): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(String(path));
  } catch (error) {
    throw new CheckFailed({
      code: 'TLS_FILE',
      summary: `The file of ${name}, ${path}, cannot be read (${codeOf(error)}).`,
      fix: 'Look at its path, and at who may read it.',
    });
  }
}

/** A question to DNS, whose own patience can be minutes. */
export async function answered<T>(question: Promise<T>, timeoutMS: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noAnswer(timeoutMS)), timeoutMS);
  });
  try {
    return await Promise.race([question, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function noAnswer(timeoutMS: number): Error {
  return Object.assign(new Error(), { code: `no answer in ${timeoutMS / 1000} s` });
}

async function opened<S extends Socket>(socket: S, event: string, timeoutMS: number): Promise<S> {
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(event, resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(Object.assign(new Error(), { code: 'connection closed' })));
      socket.setTimeout(timeoutMS, () => reject(noAnswer(timeoutMS)));
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Such as `ECONNREFUSED`. Of several addresses that were tried, the first tells. */
export function codeOf(error: unknown): string {
  const { code, errors } = Object(error) as { code?: unknown; errors?: readonly unknown[] };
  return typeof code === 'string' ? code : errors?.[0] ? codeOf(errors[0]) : 'unknown error';
}
