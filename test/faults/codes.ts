// What an application is told of each fault of each source, and why where it is not the obvious code.

import type { OIDCCallbackErrorCode } from '../../src/errors.js';
import type { Fault } from '../emulators/http.js';
import {
  appService,
  entra,
  type FileFault,
  gcpIam,
  gcpMetadata,
  imds,
  type StartFaultySource,
  tokenFile,
} from './sources.js';

/** A fault that can pass. */
export interface Passing {
  readonly code: OIDCCallbackErrorCode;
  /**
   * The SDK asks again by itself before it says so, or never says anything: for several seconds ("some"), or for
   * longer than any budget ("all"). Until it does, whoever has no more time is told `ERR_OIDC_TIMEOUT`.
   */
  readonly silent?: 'some' | 'all';
}

/** A fault that cannot pass. */
export interface Final {
  readonly code: OIDCCallbackErrorCode;
  /** Undefined where the request itself is what is wrong. */
  readonly fault?: Fault | FileFault;
  /** Of the callback; an audience that is null is none. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** How many requests one attempt makes; undefined for a file. */
  readonly requests?: number;
}

export interface SourceCodes {
  readonly start: StartFaultySource;
  /** Where a fault is another than `faults` has. */
  readonly faults?: Readonly<Record<string, Fault>>;
  readonly passing: Readonly<Record<string, Passing>>;
  /** What its SDK says besides where the machine is too busy to answer within the SDK's own time limit. */
  readonly tooSlow?: OIDCCallbackErrorCode;
  readonly final: Readonly<Record<string, Final>>;
}

export const faults = {
  '429': { kind: 'status', status: 429 },
  '429 with Retry-After: 1': { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  '404': { kind: 'status', status: 404 },
  '410': { kind: 'status', status: 410 },
  '500': { kind: 'status', status: 500 },
  '503': { kind: 'status', status: 503 },
  'a reset connection': { kind: 'reset' },
  'no answer': { kind: 'hang' },
  'HTML with 200': { kind: 'html' },
  'an empty token': { kind: 'emptyToken' },
  'no body': { kind: 'noBody' },
  'a truncated body': { kind: 'truncated' },
} satisfies Record<string, Fault>;

export const fileFaults: Readonly<Record<string, FileFault>> = {
  'no file': 'missing',
  'an empty file': 'empty',
  'a token cut before its second dot': 'cut',
  'a FIFO': 'FIFO',
};

const RATE_LIMITED = 'ERR_OIDC_RATE_LIMITED';
const UNREACHABLE = 'ERR_OIDC_SOURCE_UNREACHABLE';
const TOKEN_INVALID = 'ERR_OIDC_TOKEN_INVALID';
const TIMEOUT = 'ERR_OIDC_TIMEOUT';
const DENIED = 'ERR_OIDC_ACCESS_DENIED';
const IDENTITY_NOT_FOUND = 'ERR_OIDC_IDENTITY_NOT_FOUND';
const UNAVAILABLE = 'ERR_OIDC_CREDENTIAL_UNAVAILABLE';

const status = (code: number) => ({ kind: 'status', status: code }) as const;
const page = '<!DOCTYPE html><title>Not here</title>';

/** What no source does for anybody. */
const refusals = {
  '401': { fault: status(401), code: DENIED, requests: 1 },
  '403': { fault: status(403), code: DENIED, requests: 1 },
  'no audience': { code: 'ERR_OIDC_AUDIENCE_MISSING', options: { audience: null }, requests: 0 },
} satisfies Record<string, Final>;
const unknownIdentity: Final = {
  options: { clientId: 'a9999999-9999-4999-8999-999999999999' },
  code: IDENTITY_NOT_FOUND,
  requests: 1,
};

/** The SDK of Azure says that there was a "network error", and no more, of everything that it cannot read. */
const azure = {
  '429': { code: RATE_LIMITED },
  // The SDK waits as long as it is told to, three times.
  '429 with Retry-After: 1': { code: RATE_LIMITED, silent: 'some' },
  '500': { code: UNREACHABLE, silent: 'some' },
  '503': { code: UNREACHABLE, silent: 'some' },
  'a reset connection': { code: UNREACHABLE, silent: 'some' },
  'no answer': { code: TIMEOUT, silent: 'all' },
  'HTML with 200': { code: UNREACHABLE },
  // Not TOKEN_INVALID: for the SDK it is an answer without an expiry, like an empty or throttled one.
  'an empty token': { code: UNREACHABLE },
  'no body': { code: UNREACHABLE },
  'a truncated body': { code: UNREACHABLE },
} satisfies Record<string, Passing>;

/** Google's SDK hands on whatever came with status 200, so that it is the token that is wrong. */
const google = {
  '429': { code: RATE_LIMITED, silent: 'some' },
  '429 with Retry-After: 1': { code: RATE_LIMITED, silent: 'some' },
  // As a rule a wrong name, and so it is called; worth another attempt for 5 s, because servers start.
  '404': { code: IDENTITY_NOT_FOUND },
  '410': { code: UNREACHABLE },
  '500': { code: UNREACHABLE, silent: 'some' },
  '503': { code: UNREACHABLE, silent: 'some' },
  'a reset connection': { code: UNREACHABLE, silent: 'some' },
  'HTML with 200': { code: TOKEN_INVALID },
  'an empty token': { code: TOKEN_INVALID },
  'no body': { code: TOKEN_INVALID },
  'a truncated body': { code: UNREACHABLE, silent: 'some' },
} satisfies Record<string, Passing>;

/** By source and fault. */
export const codes = {
  IMDS: {
    start: imds,
    passing: {
      ...azure,
      // The SDK goes on asking for half a minute (404), for more than a minute (410).
      '404': { code: TIMEOUT, silent: 'all' },
      '410': { code: TIMEOUT, silent: 'all' },
    },
    final: {
      '400 Identity not found': { fault: status(400), code: UNAVAILABLE, requests: 1 },
      'an identity that is not assigned': unknownIdentity,
      ...refusals,
    },
  },
  'App Service': {
    start: appService,
    passing: {
      ...azure,
      '404': { code: UNREACHABLE, silent: 'all' },
      '410': { code: UNREACHABLE, silent: 'all' },
    },
    final: {
      '400 that there is no identity': { fault: status(400), code: UNAVAILABLE, requests: 1 },
      'an identity that is not assigned': unknownIdentity,
      ...refusals,
    },
  },
  Entra: {
    start: entra,
    // Not in the words of OAuth, which for these statuses would be a refusal.
    faults: { '404': { ...status(404), body: page }, '410': { ...status(410), body: page } },
    passing: { ...azure, '404': { code: UNREACHABLE }, '410': { code: UNREACHABLE } },
    final: {
      // Entra is a service with one address: what it does not know there is a mistake.
      '400': { fault: status(400), code: DENIED, requests: 1 },
      'an unknown application': unknownIdentity,
      ...refusals,
    },
  },
  'the GCP metadata server': {
    start: gcpMetadata,
    // Off Google Cloud the SDK gives up after 3 s.
    tooSlow: UNREACHABLE,
    passing: { ...google, 'no answer': { code: UNREACHABLE, silent: 'some' } },
    final: {
      '400': { fault: status(400), code: UNAVAILABLE, requests: 1 },
      ...refusals,
    },
  },
  'IAM generateIdToken': {
    start: gcpIam,
    passing: { ...google, 'no answer': { code: TIMEOUT, silent: 'all' } },
    final: {
      '400': { fault: status(400), code: UNAVAILABLE, requests: 1 },
      ...refusals,
    },
  },
  'the token file': {
    start: tokenFile,
    passing: {
      'no file': { code: 'ERR_OIDC_TOKEN_FILE' },
      'an empty file': { code: 'ERR_OIDC_TOKEN_FILE' },
      'a token cut before its second dot': { code: TOKEN_INVALID },
      // It is opened without waiting for a writer, so it is no fault of the "no answer" kind.
      'a FIFO': { code: 'ERR_OIDC_TOKEN_FILE' },
    },
    final: {
      'a directory': { fault: 'directory', code: 'ERR_OIDC_TOKEN_FILE' },
      'a token for another audience': { fault: 'other audience', code: 'ERR_OIDC_AUDIENCE_MISMATCH' },
      'an encrypted token': { fault: 'encrypted', code: TOKEN_INVALID },
    },
  },
} satisfies Record<string, SourceCodes>;
