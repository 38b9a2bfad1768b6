import type { Misconfiguration } from './misconfiguration.js';

export const sourceCases: readonly Misconfiguration[] = [];
