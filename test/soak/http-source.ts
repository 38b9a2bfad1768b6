/** The sources that are asked over HTTP. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AzureEmulator,
  defaultIdentities,
  startAppService,
  startAzureImds,
  startEntra,
} from '../emulators/azure.js';
import { startGcpIam, startGcpMetadata } from '../emulators/gcp.js';
import type { Fault, HttpEmulator, RecordedRequest } from '../emulators/http.js';
import { impersonation } from '../ways/sources.js';
import { validUntil } from './judge.js';
import { LIFE_SECONDS, type Source } from './source.js';
import { type Outage, SourceLog } from './source-log.js';

/** Those that can pass by the rules of the package, and one that cannot. */
const FAULTS: Readonly<Record<string, Fault>> = {
  429: { kind: 'status', status: 429 },
  '429 with Retry-After': { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  404: { kind: 'status', status: 404 },
  410: { kind: 'status', status: 410 },
  500: { kind: 'status', status: 500 },
  503: { kind: 'status', status: 503 },
  reset: { kind: 'reset' },
  'no answer': { kind: 'hang' },
  HTML: { kind: 'html' },
  'empty token': { kind: 'emptyToken' },
  'no body': { kind: 'noBody' },
  truncated: { kind: 'truncated' },
  'truncated, well framed': { kind: 'truncated', clean: true },
  403: { kind: 'status', status: 403 },
};
/** No answer takes its time: once is enough for a stumble. */
const ONCE = 'no answer';
/** What cannot pass by the rules of the package is not retried, so it is no stumble. */
const REFUSALS = ['403'];
export const HTTP_KINDS = Object.keys(FAULTS);
export const SLOW = 'slow';
const SLOW_MS = 800;
const SLOW_FOR_MS = 4_000;

type Emulator = HttpEmulator & {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly env: Record<string, string>;
};

interface Kind {
  readonly name: string;
  readonly audience: string;
  readonly authNamePrefix: string;
  readonly parameters?: Record<string, string>;
  /** Whether faults apply to it. */
  readonly asks: (request: RecordedRequest) => boolean;
  /** Whether its answer holds the token for MongoDB. */
  readonly brings?: (request: RecordedRequest) => boolean;
  readonly requestsPerToken?: number;
  /** Default: 403. */
  readonly refusals?: readonly string[];
}

class HttpSource implements Source {
  readonly name: string;
  readonly audience: string;
  readonly env: Record<string, string>;
  readonly parameters: Record<string, string>;
  readonly log = new SourceLog();
  readonly kinds = HTTP_KINDS;
  readonly seesRequests = true;
  readonly latencyMS: number;
  readonly #emulator: Emulator;
  readonly #kind: Kind;
  readonly #issued = new EventEmitter();
  #outage: Outage | undefined;
  #stumble: { readonly kind: string; over: () => void } | undefined;

  constructor(emulator: Emulator, kind: Kind) {
    this.#emulator = emulator;
    this.#kind = kind;
    this.name = kind.name;
    this.audience = kind.audience;
    this.env = emulator.env;
    this.parameters = kind.parameters ?? {};
    this.latencyMS = emulator.latencyMS * (kind.requestsPerToken ?? 1);
    // The emulator notes each request before it decides on a fault for it, and keeps them all: here one is
    // looked at as it comes, and let go, because a soak may last for days.
    const { requests } = emulator as unknown as { requests: RecordedRequest[] };
    requests.push = (request) => this.#see(request);
  }

  get provider() {
    const { issuer, jwksUri } = this.#emulator;
    const { audience, authNamePrefix } = this.#kind;
    return { issuer, jwksUri, audience, authNamePrefix, useAuthorizationClaim: false };
  }

  async nextToken(signal: AbortSignal): Promise<void> {
    await once(this.#issued, 'token', { signal }).catch(() => {});
  }

  validUntil(): number {
    return validUntil(this.log.tokens, Date.now());
  }

  async breakDown(kind: string): Promise<() => Promise<void>> {
    this.#endStumble();
    this.#outage = this.log.begin(kind);
    this.#emulator.setFault(FAULTS[kind]);
    return async () => {
      this.#emulator.setFault(undefined);
      if (this.#outage) this.#outage.to = Date.now();
      this.#outage = undefined;
    };
  }

  async stumble(kind: string, times: number): Promise<void> {
    if (kind === SLOW) return this.#slowDown();
    const fault = FAULTS[kind];
    if (!fault || (this.#kind.refusals ?? REFUSALS).includes(kind)) return;
    this.#endStumble();
    const trouble = this.log.trouble();
    this.#emulator.faults.push(...Array<Fault>(kind === ONCE ? 1 : times).fill(fault));
    this.#stumble = {
      kind,
      over: () => {
        trouble.to = Date.now();
      },
    };
  }

  close(): Promise<void> {
    return this.#emulator.close();
  }

  async #slowDown(): Promise<void> {
    const trouble = this.log.trouble();
    const usualMS = this.#emulator.latencyMS;
    this.log.meet(SLOW, undefined);
    this.#emulator.latencyMS = SLOW_MS;
    await sleep(SLOW_FOR_MS);
    this.#emulator.latencyMS = usualMS;
    trouble.to = Date.now();
  }

  /** Answers that are still to be spoilt do not outlast an outage, so that its end is known. */
  #endStumble(): void {
    this.#emulator.faults.length = 0;
    this.#stumble?.over();
    this.#stumble = undefined;
  }

  #see(request: RecordedRequest): number {
    if (!this.#kind.asks(request)) return 0;
    this.log.requests += 1;
    const isSpoilt = this.#emulator.faults.length > 0;
    if (isSpoilt) this.log.meet(this.#stumble?.kind ?? '', undefined);
    else if (this.#outage) this.log.meet(this.#outage.kind, this.#outage);
    else if (this.#kind.brings?.(request) ?? true) {
      this.#endStumble();
      const at = Date.now();
      // Signed after the latency, in whole seconds, cut off. Rather too soon: a second too late would have operations
      // fail in an outage for no reason that the judge can see.
      const signedAt = Math.floor((at + this.#emulator.latencyMS) / 1000);
      this.log.tokens.push({ at, expiresAt: (signedAt + LIFE_SECONDS) * 1000 });
      this.#issued.emit('token');
    }
    return 0;
  }
}

type StartSource = (latencyMS: number) => Promise<Source>;

const azure = (
  name: string,
  start: (options: { lifeSeconds: number; latencyMS: number }) => Promise<AzureEmulator>,
  refusals = REFUSALS,
): StartSource => {
  return async (latencyMS) =>
    new HttpSource(await start({ lifeSeconds: LIFE_SECONDS, latencyMS }), {
      name,
      audience: `api://mongodb-${name}`,
      authNamePrefix: name,
      parameters: { clientId: defaultIdentities[1]?.clientId ?? '' },
      refusals,
      // The path ends in a slash where a variable leads to IMDS.
      asks: ({ path }) => /\/token\/?$/.test(path),
    });
};

export const imds = azure('imds', startAzureImds);
export const appService = azure('app-service', startAppService);
/** Its errors carry no status, only a code: that of an invalid request, with 404 and 410 too. */
const entraRefusals = [...REFUSALS, '404', '410'];
export const entra = azure(
  'entra',
  async (options) => {
    const emulator = await startEntra(options);
    if (emulator.tokens) {
      emulator.tokens.lifeSeconds = 30 * 24 * 60 * 60;
      await emulator.tokens.rotate();
    }
    return emulator;
  },
  entraRefusals,
);

export const gcpMetadata: StartSource = async (latencyMS) =>
  new HttpSource(await startGcpMetadata({ lifeSeconds: LIFE_SECONDS, latencyMS }), {
    name: 'gcp-metadata',
    audience: 'https://mongodb-metadata.example.com',
    authNamePrefix: 'gcp-metadata',
    asks: ({ path }) => path.endsWith('/identity'),
  });

/** Each token takes two requests: an access token for the key, an ID token for that. */
export const iam: StartSource = async (latencyMS) => {
  const [caller, target] = impersonation;
  const emulator = await startGcpIam({
    lifeSeconds: LIFE_SECONDS,
    latencyMS,
    serviceAccounts: [caller, target],
    tokenCreators: { [target.email]: [caller.email] },
  });
  return new HttpSource(emulator, {
    name: 'iam',
    audience: 'https://mongodb-iam.example.com',
    authNamePrefix: 'iam',
    parameters: { targetPrincipal: target.email },
    asks: () => true,
    brings: ({ path }) => decodeURIComponent(path).endsWith(':generateIdToken'),
    requestsPerToken: 2,
  });
};
