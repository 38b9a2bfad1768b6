// Promises that a test settles itself, and how long others take to settle.

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** What the promise rejects with; an error of its own where it resolves. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );
  if (!outcome) throw new Error('expected a rejection');
  return outcome.reason;
}

/** How many turns of the microtask queue it takes until `promise` settles; Infinity where that is not enough. */
export async function microtasksUntilSettled(promise: Promise<unknown>): Promise<number> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let turns = 1; turns <= 100; turns++) {
    await Promise.resolve();
    if (settled) return turns;
  }
  return Number.POSITIVE_INFINITY;
}
