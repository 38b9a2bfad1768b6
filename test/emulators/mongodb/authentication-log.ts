/** What became of each token that arrived. */
import type { JWTPayload } from 'jose';

export class AuthenticationLog {
  readonly claims: JWTPayload[] = [];
  readonly failures: string[] = [];
  readonly #arrivals: number[] = [];
  #next = 0;

  /** Verification takes a while, and another while for each token: the arrival is what orders them. */
  arrive(): number {
    return this.#next++;
  }

  accept(arrival: number, claims: JWTPayload): void {
    const at = this.#arrivals.findLastIndex((earlier) => earlier < arrival) + 1;
    this.#arrivals.splice(at, 0, arrival);
    this.claims.splice(at, 0, claims);
  }

  refuse(reason: string): void {
    this.failures.push(reason);
  }
}
