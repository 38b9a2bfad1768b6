import type { Misconfiguration } from './misconfiguration.js';

export const connectionCases: readonly Misconfiguration[] = [];
