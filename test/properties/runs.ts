/** Runs in CI of the properties in this process; those over sockets come in addition. */
export const RUNS = 9_000;
/** For each source. */
export const ANSWERS = 200;
