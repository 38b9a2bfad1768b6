// A source of tokens with lives to the millisecond, which can limit how many it serves at a time.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, HttpService, json, type RecordedRequest, text } from '../emulators/http.js';
import { type Issuer, startIssuer } from '../emulators/issuer.js';

export interface TokenSourceOptions {
  /** Life of the next token. */
  lifeMS: number;
  /** When the source says that another one can be had, counted from now. */
  refreshAfterMS?: number | undefined;
  /** How long an answer takes. */
  workMS?: number;
  /** Whoever is more than this at the same time is answered 429 at once. */
  limit?: number;
}

export interface Arrival {
  readonly audience: string;
  readonly at: number;
  readonly status: number;
}

export class TokenSource extends HttpService {
  readonly arrivals: Arrival[] = [];
  readonly options: TokenSourceOptions;
  readonly #issuer: Issuer;
  #serving = 0;

  constructor(options: TokenSourceOptions, issuer: Issuer) {
    super({});
    this.options = options;
    this.#issuer = issuer;
  }

  get issuer(): string {
    return this.#issuer.issuer;
  }

  get jwksUri(): string {
    return this.#issuer.jwksUri;
  }

  protected isTokenRequest(): boolean {
    return true;
  }

  protected errorAnswer(status: number): Answer {
    return text(status, '');
  }

  protected async answer({ query }: RecordedRequest): Promise<Answer> {
    const { workMS = 0, limit = Number.POSITIVE_INFINITY } = this.options;
    const status = this.#serving < limit ? 200 : 429;
    this.arrivals.push({ audience: `${query.audience}`, at: performance.now(), status });
    if (status === 429) return this.errorAnswer(status);
    this.#serving += 1;
    try {
      if (workMS > 0) await sleep(workMS);
      return await this.#token(`${query.audience}`);
    } finally {
      this.#serving -= 1;
    }
  }

  async #token(audience: string): Promise<Answer> {
    const now = Date.now();
    const { lifeMS, refreshAfterMS } = this.options;
    const expiresOnTimestamp = now + lifeMS;
    const token = await this.#issuer.sign({ aud: audience, sub: 'service', exp: expiresOnTimestamp / 1000 });
    const refreshAfterTimestamp = refreshAfterMS === undefined ? undefined : now + refreshAfterMS;
    return json(200, { token, expiresOnTimestamp, refreshAfterTimestamp });
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#issuer.close()]);
  }
}

export async function startTokenSource(options: TokenSourceOptions): Promise<TokenSource> {
  const source = new TokenSource(options, await startIssuer({ issuer: 'https://id.example.com' }));
  await source.listen({});
  return source;
}
