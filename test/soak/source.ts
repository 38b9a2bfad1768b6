/** A place where tokens come from, and what can be done to it. */
import type { IdentityProvider } from '../emulators/mongodb/index.js';
import type { SourceLog } from './source-log.js';

export interface Source {
  /** Which of the callbacks in `program.mjs` asks it. */
  readonly name: string;
  readonly audience: string;
  readonly env: Readonly<Record<string, string>>;
  /** What that callback is told. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly provider: IdentityProvider;
  readonly log: SourceLog;
  /** The kinds of outage that it can have. */
  readonly kinds: readonly string[];
  /** How long a healthy answer takes, all the requests for one token together. */
  readonly latencyMS: number;
  /** Whether it sees who asks; a file does not. */
  readonly seesRequests: boolean;
  /** Resolves when it has another token to give, or `signal` is aborted. */
  nextToken(signal: AbortSignal): Promise<void>;
  /** Until when the newest of its tokens is good. */
  validUntil(): number;
  /** Goes out, until the function that it returns is called. */
  breakDown(kind: string): Promise<() => Promise<void>>;
  /** Spoils a few answers, or is slow for a moment: nobody is to notice. */
  stumble(kind: string, times: number): Promise<void>;
  close(): Promise<void>;
}

/** As short as the issue that asked for this has it; MSAL caches no token that lives less than 5 minutes. */
export const LIFE_SECONDS = 5;
