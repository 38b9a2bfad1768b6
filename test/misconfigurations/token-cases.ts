import type { Misconfiguration } from './misconfiguration.js';

export const tokenCases: readonly Misconfiguration[] = [];
