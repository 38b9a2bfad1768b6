// What doctor finds, and what it goes by.

/** One thing that is wrong, or may be. */
export interface Finding {
  /** A stable string. */
  readonly code: string;
  /** What differs, by value. */
  readonly summary: string;
  readonly fix: string;
}

/** What is known beside the token's claims. */
export interface Situation {
  readonly nowMS: number;
  /** The server's clock minus ours. */
  readonly clockOffsetMS?: number | undefined;
  readonly environment?: string | undefined;
  readonly audienceAskedFor?: string | undefined;
  readonly clientId?: string | undefined;
  /** The token's header. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
}

export function finding(code: string, summary: string, fix: string): Finding {
  return { code, summary, fix };
}

export function when(condition: boolean, code: string, summary: string, fix: string): Finding[] {
  return condition ? [finding(code, summary, fix)] : [];
}
