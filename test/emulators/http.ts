/** The base of every HTTP(S) emulator: records requests, adds latency, injects faults. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  /** The request target as it came, not decoded. */
  readonly rawUrl: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Headers = Record<string, string | undefined>;

export interface Answer {
  status: number;
  /** A header that is undefined is not sent, even if the service sends it on every response. */
  headers?: Headers;
  body: string;
}

/**
 * What goes wrong instead of the answer.
 * - `status`: the body is by default the one that this service sends for that status.
 * - `html`: a page with status 200, as from a captive portal.
 * - `emptyToken`: the right shape with an empty token.
 * - `noBody`: status 200 and nothing else.
 * - `truncated`: half of the body, then the connection closes; with `clean`, `content-length` is that of the half,
 *   so that only a parser can notice.
 */
export type Fault =
  | { kind: 'status'; status: number; headers?: Headers; body?: string }
  | { kind: 'reset' }
  | { kind: 'hang' }
  | { kind: 'html' }
  | { kind: 'emptyToken' }
  | { kind: 'noBody' }
  | { kind: 'truncated'; clean?: boolean };

export type FaultOf = (request: RecordedRequest) => Fault | undefined;

export interface HttpEmulator {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly RecordedRequest[];
  /** Time before each answer. */
  latencyMS: number;
  /** The largest number of requests that were in flight at the same time. */
  readonly maxConcurrent: number;
  /** Faults for the next token requests, one each, first in, first out. Other requests are not touched. */
  readonly faults: Fault[];
  /**
   * A fault for every token request from now on, or for those that a function chooses, after the queue is empty;
   * undefined ends it.
   */
  setFault(fault: Fault | FaultOf | undefined): void;
  close(): Promise<void>;
}

export interface ListenOptions {
  /** Default: 127.0.0.1. */
  host?: string | undefined;
  /** Default: any free port. */
  port?: number | undefined;
}

export interface HttpServiceOptions extends ListenOptions {
  latencyMS?: number | undefined;
  tls?: { key: string; cert: string };
  /** Headers of every response. */
  headers?: Headers;
}

/** An HTTP service is told how it answers by `isTokenRequest`, `answer` and `errorAnswer`. */
export abstract class HttpService implements HttpEmulator {
  readonly requests: RecordedRequest[] = [];
  readonly faults: Fault[] = [];
  latencyMS: number;
  readonly #headers: Headers;
  readonly #server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: 'http' | 'https';
  #faultOf: FaultOf = () => undefined;
  #inFlight = 0;
  #maxConcurrent = 0;
  #host = '';
  #port = 0;

  constructor(options: HttpServiceOptions) {
    this.latencyMS = options.latencyMS ?? 0;
    this.#headers = options.headers ?? {};
    this.#scheme = options.tls ? 'https' : 'http';
    const listener = (incoming: IncomingMessage, response: ServerResponse) => {
      this.#serve(incoming, response).catch((error: Error) => {
        response.destroy(error);
      });
    };
    this.#server = options.tls ? createSecureServer(options.tls, listener) : createServer(listener);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  /** Whether faults apply to this request. */
  protected abstract isTokenRequest(request: RecordedRequest): boolean;

  /** The answer of a healthy service. `emptyToken` asks for one with an empty token in it. */
  protected abstract answer(
    request: RecordedRequest,
    context: { emptyToken: boolean },
  ): Answer | Promise<Answer>;

  /** What this service sends with an error status. */
  protected abstract errorAnswer(status: number): Answer;

  get url(): string {
    return `${this.#scheme}://${this.#host}:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get maxConcurrent(): number {
    return this.#maxConcurrent;
  }

  setFault(fault: Fault | FaultOf | undefined): void {
    this.#faultOf = typeof fault === 'function' ? fault : () => fault;
  }

  async listen(options: ListenOptions): Promise<void> {
    this.#host = options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(options.port ?? 0, this.#host, resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#maxConcurrent = Math.max(this.#maxConcurrent, ++this.#inFlight);
    response.once('close', () => this.#inFlight--);

    const request = await read(incoming);
    this.requests.push(request);
    const fault = this.isTokenRequest(request) ? (this.faults.shift() ?? this.#faultOf(request)) : undefined;
    if (this.latencyMS > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMS));
    if (response.destroyed) return;

    switch (fault?.kind) {
      case 'hang':
        return;
      case 'reset':
        // The TCP connection's, because a TLS socket cannot reset.
        for (const socket of this.#sockets) {
          if (socket.remotePort === incoming.socket.remotePort) socket.resetAndDestroy();
        }
        return;
      case 'noBody':
        return this.#send(response, { status: 200, body: '' });
      case 'html':
        return this.#send(response, {
          status: 200,
          headers: { 'content-type': 'text/html; charset=utf-8' },
          body: '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to the network</body></html>',
        });
      case 'status': {
        const usual = fault.body === undefined ? this.errorAnswer(fault.status) : undefined;
        return this.#send(response, {
          status: fault.status,
          headers: { ...usual?.headers, ...fault.headers },
          body: fault.body ?? usual?.body ?? '',
        });
      }
      default: {
        const answer = await this.answer(request, { emptyToken: fault?.kind === 'emptyToken' });
        if (fault?.kind === 'truncated') this.#sendHalf(response, answer, fault.clean ?? false);
        else this.#send(response, answer);
      }
    }
  }

  #send(response: ServerResponse, answer: Answer): void {
    this.#writeHead(response, answer, Buffer.byteLength(answer.body));
    response.end(answer.body);
  }

  #sendHalf(response: ServerResponse, answer: Answer, clean: boolean): void {
    const whole = Buffer.from(answer.body);
    const half = whole.subarray(0, Math.ceil(whole.length / 2));
    this.#writeHead(response, answer, clean ? half.length : whole.length);
    if (clean) response.end(half);
    else response.write(half, () => response.socket?.end());
  }

  #writeHead(response: ServerResponse, answer: Answer, length: number): void {
    for (const [name, value] of Object.entries({ ...this.#headers, ...answer.headers })) {
      if (value !== undefined) response.setHeader(name, value);
    }
    response.setHeader('content-length', length);
    response.writeHead(answer.status);
  }
}

async function read(incoming: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const rawUrl = incoming.url ?? '/';
  const target = new URL(rawUrl, 'http://emulator');
  return {
    method: incoming.method ?? 'GET',
    path: target.pathname,
    query: Object.fromEntries(target.searchParams),
    rawUrl,
    headers: incoming.headers,
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

export function json(status: number, value: unknown, headers: Headers = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: JSON.stringify(value),
  };
}

export function text(status: number, body: string, headers: Headers = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body };
}
