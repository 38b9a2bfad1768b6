/** What a token source did, and when: times are milliseconds since the epoch. */

export interface IssuedToken {
  readonly at: number;
  readonly expiresAt: number;
}

/** A time during which a source gives no token, whoever asks. */
export interface Outage {
  readonly kind: string;
  readonly from: number;
  /** Infinite while it lasts. */
  to: number;
  /** Requests that met it. */
  met: number;
}

/** Any time at which a source is not as usual: an outage, a few failing answers, slowness. */
export interface Trouble {
  readonly from: number;
  to: number;
}

export class SourceLog {
  readonly tokens: IssuedToken[] = [];
  readonly outages: Outage[] = [];
  readonly troubles: Trouble[] = [];
  /** Requests for a token. */
  requests = 0;
  /** Requests that were answered with a fault, by kind. */
  readonly faults = new Map<string, number>();

  /** Reports a fault that a request met. */
  meet(kind: string, outage: Outage | undefined): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    if (outage) outage.met += 1;
  }

  begin(kind: string): Outage {
    const outage = { kind, from: Date.now(), to: Number.POSITIVE_INFINITY, met: 0 };
    this.outages.push(outage);
    this.troubles.push(outage);
    return outage;
  }

  trouble(): Trouble {
    const trouble = { from: Date.now(), to: Number.POSITIVE_INFINITY };
    this.troubles.push(trouble);
    return trouble;
  }
}
