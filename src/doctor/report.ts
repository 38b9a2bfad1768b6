// What doctor finds out: checks in steps, told as they run and kept for the report.

import { OIDCCallbackError } from '../errors.js';
import { onOneLine } from '../jwt.js';
import { redact, scrub, textOf } from '../secrets.js';
import type { Finding } from './finding.js';

export const STEPS = ['environment', 'source', 'token', 'mongodb'] as const;
export type Step = (typeof STEPS)[number];

/** What came of a check. */
export interface Outcome {
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** One line. */
  readonly summary: string;
  /** Of the error or finding. */
  readonly code?: string | undefined;
  /** What to do. */
  readonly fix?: string | undefined;
  /** Where the server does not say which: what it may be, the most likely first. */
  readonly causes?: readonly Finding[] | undefined;
  /** For programs. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** A check that has run. Field names are those of `--json`, and stable. */
export interface Check extends Outcome {
  readonly step: Step;
  readonly name: string;
  readonly durationMS: number;
}

/** Told of each check as it runs. */
export interface Listener {
  begin(step: Step, title: string): void;
  end(check: Check): void;
}

/** A check that failed for a reason of its own. */
export class CheckFailed extends Error {
  readonly outcome: Outcome;

  constructor({ code, summary, fix }: Finding, more: Partial<Outcome> = {}) {
    super(summary);
    this.outcome = { ...failure(code, summary, fix), ...more };
  }
}

export function ok(summary: string, details?: Outcome['details']): Outcome {
  return { status: 'ok', summary, details };
}

export function warning({ code, summary, fix }: Finding): Outcome {
  return { status: 'warning', code, summary, fix };
}

export function failure(code: string | undefined, summary: string, fix?: string): Outcome {
  return { status: 'failed', code, summary, fix };
}

type Run<T> = () => Promise<readonly [Outcome, T]>;

interface Ended<T> {
  readonly outcome: Outcome;
  readonly value: T | undefined;
  readonly durationMS: number;
}

export class Report {
  readonly checks: Check[] = [];
  readonly #listener: Listener;
  readonly #fixOf: (error: OIDCCallbackError) => string | undefined;

  /** @param fixOf - the way out of an error, beyond what its message says */
  constructor(listener: Listener, fixOf: (error: OIDCCallbackError) => string | undefined) {
    this.#listener = listener;
    this.#fixOf = fixOf;
  }

  get hasFailed(): boolean {
    return this.checks.some(({ status }) => status === 'failed');
  }

  /** Runs one check. What it returns as `outcome` is reported, and `value` handed on; nothing where it failed. */
  async check<T>(step: Step, name: string, title: string, run: Run<T>): Promise<T | undefined> {
    this.#listener.begin(step, harmless(title));
    return this.#end(step, name, await this.#timed(run));
  }

  /** Runs several at once, and tells of them in their order. */
  async checkAll<T>(
    step: Step,
    name: string,
    checks: readonly { readonly title: string; readonly run: Run<T> }[],
  ): Promise<(T | undefined)[]> {
    const running = checks.map(({ title, run }) => ({ title, ended: this.#timed(run) }));
    const values: (T | undefined)[] = [];
    for (const { title, ended } of running) {
      this.#listener.begin(step, harmless(title));
      values.push(this.#end(step, name, await ended));
    }
    return values;
  }

  /** Something that is known without being run. */
  note(step: Step, name: string, outcome: Outcome): void {
    this.#add(step, name, outcome, 0);
  }

  /** An error that no check was there for. */
  fail(error: unknown): undefined {
    this.note(this.checks.at(-1)?.step ?? 'environment', 'doctor', this.#outcomeOf(error));
  }

  async #timed<T>(run: Run<T>): Promise<Ended<T>> {
    const startedAt = performance.now();
    try {
      const [outcome, value] = await run();
      return { outcome, value, durationMS: performance.now() - startedAt };
    } catch (error) {
      return {
        outcome: this.#outcomeOf(error),
        value: undefined,
        durationMS: performance.now() - startedAt,
      };
    }
  }

  #end<T>(step: Step, name: string, { outcome, value, durationMS }: Ended<T>): T | undefined {
    this.#add(step, name, outcome, durationMS);
    return value;
  }

  #add(step: Step, name: string, outcome: Outcome, durationMS: number): void {
    const check = { step, name, ...harmless(outcome), durationMS: Math.round(durationMS * 100) / 100 };
    this.checks.push(check);
    this.#listener.end(check);
  }

  #outcomeOf(error: unknown): Outcome {
    if (error instanceof CheckFailed) return error.outcome;
    if (error instanceof OIDCCallbackError) {
      return failure(error.code, error.message, this.#fixOf(error));
    }
    return failure('UNEXPECTED', redact(scrub(textOf(error))));
  }
}

/** Servers, DNS and tokens have put their words in: no secret, and nothing that a terminal would act upon, goes out. */
function harmless<T>(value: T): T {
  return harmlessly(value) as T;
}

function harmlessly(value: unknown): unknown {
  if (typeof value === 'string') return onOneLine(redact(value));
  if (Array.isArray(value)) return value.map(harmlessly);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, harmlessly(each)]));
}
