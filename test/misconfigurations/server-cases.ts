import type { Misconfiguration } from './misconfiguration.js';

export const serverCases: readonly Misconfiguration[] = [];
