/** A DNS server on UDP with SRV and TXT records, for `dns.setServers`. */
import { createSocket } from 'node:dgram';
import packet from 'dns-packet';

export interface DnsRecords {
  /** By name, e.g. `_mongodb._tcp.cluster0.example.com`. */
  srv?: Record<string, { target: string; port: number; priority?: number; weight?: number }[]>;
  /** By name; each string is one record. */
  txt?: Record<string, string[]>;
}

export interface DnsEmulator {
  readonly port: number;
  /** `127.0.0.1:port`, as `dns.setServers` takes it. */
  readonly address: string;
  /** `TYPE name`, in order of arrival. */
  readonly queries: readonly string[];
  close(): Promise<void>;
}

// RFC 1035, section 4.1.1: the low four bits of the flags are the response code.
const nameError = 3;
const ttlSeconds = 60;

export async function startDns(records: DnsRecords): Promise<DnsEmulator> {
  const srv = lowerKeys(records.srv);
  const txt = lowerKeys(records.txt);
  const queries: string[] = [];
  const socket = createSocket('udp4');

  socket.on('message', (message, client) => {
    const query = packet.decode(message);
    const question = query.questions?.[0];
    if (question === undefined) return;
    const name = question.name.toLowerCase();
    queries.push(`${question.type} ${name}`);
    const answers: packet.Answer[] = [];
    if (question.type === 'SRV') {
      for (const { target, port, priority = 0, weight = 0 } of srv.get(name) ?? []) {
        answers.push({ type: 'SRV', name, ttl: ttlSeconds, data: { target, port, priority, weight } });
      }
    } else if (question.type === 'TXT') {
      for (const data of txt.get(name) ?? []) answers.push({ type: 'TXT', name, ttl: ttlSeconds, data });
    }
    const known = srv.has(name) || txt.has(name);
    const response = packet.encode({
      type: 'response',
      ...(query.id === undefined ? {} : { id: query.id }),
      flags:
        packet.AUTHORITATIVE_ANSWER |
        packet.RECURSION_DESIRED |
        packet.RECURSION_AVAILABLE |
        (known ? 0 : nameError),
      questions: [question],
      answers,
    });
    socket.send(response, client.port, client.address);
  });

  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', resolve);
  });
  const { port } = socket.address();
  return {
    port,
    address: `127.0.0.1:${port}`,
    queries,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function lowerKeys<T>(record: Record<string, T> = {}): Map<string, T> {
  return new Map(Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]));
}
