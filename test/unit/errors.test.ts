import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  isTransient,
  OIDCCallbackError,
  type OIDCCallbackErrorCode,
  retryForMS,
  toCallbackError,
} from '../../src/errors.js';

const CODES: Record<OIDCCallbackErrorCode, 'transient' | 'permanent'> = {
  ERR_OIDC_AUDIENCE_MISSING: 'permanent',
  ERR_OIDC_AUDIENCE_MISMATCH: 'permanent',
  ERR_OIDC_CREDENTIAL_UNAVAILABLE: 'permanent',
  ERR_OIDC_IDENTITY_NOT_FOUND: 'permanent',
  ERR_OIDC_ACCESS_DENIED: 'permanent',
  ERR_OIDC_RATE_LIMITED: 'transient',
  ERR_OIDC_SOURCE_UNREACHABLE: 'transient',
  ERR_OIDC_METADATA_PROXIED: 'permanent',
  ERR_OIDC_TIMEOUT: 'transient',
  ERR_OIDC_ABORTED: 'permanent',
  ERR_OIDC_TOKEN_INVALID: 'transient',
  ERR_OIDC_TOKEN_FILE: 'transient',
  ERR_OIDC_SDK_NOT_INSTALLED: 'permanent',
  ERR_OIDC_ENVIRONMENT_UNKNOWN: 'permanent',
  ERR_OIDC_INVALID_OPTION: 'permanent',
  ERR_OIDC_INVALID_URI: 'permanent',
};

describe('an error', () => {
  test('is an Error with a name, a code and a message', () => {
    const error = new OIDCCallbackError('ERR_OIDC_ABORTED', 'The caller left.');
    expect(error).toBeInstanceOf(OIDCCallbackError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('OIDCCallbackError');
    expect(error.code).toBe('ERR_OIDC_ABORTED');
    expect(error.message).toBe('The caller left.');
    expect(String(error)).toBe('OIDCCallbackError: The caller left.');
  });

  test('shows name, message, where it came from, and code when it is inspected', () => {
    const text = inspect(new OIDCCallbackError('ERR_OIDC_ABORTED', 'The caller left.'));
    expect(text).toMatch(/^OIDCCallbackError: The caller left\.\n {4}at .*errors\.test\.ts/s);
    expect(text).toContain("code: 'ERR_OIDC_ABORTED'");
  });

  test('owns nothing but the code that a log would list', () => {
    const error = new OIDCCallbackError('ERR_OIDC_ABORTED', 'x', { cause: new Error('y') });
    expect(Object.keys(error)).toEqual(['code']);
    expect(JSON.stringify(error)).toBe('{"code":"ERR_OIDC_ABORTED"}');
  });

  test('has no cause where none is given', () => {
    expect('cause' in new OIDCCallbackError('ERR_OIDC_ABORTED', 'x')).toBe(false);
    expect('cause' in new OIDCCallbackError('ERR_OIDC_ABORTED', 'x', { cause: undefined })).toBe(false);
  });
});

describe('the cause of an error', () => {
  const causeOf = (cause: unknown) => new OIDCCallbackError('ERR_OIDC_ABORTED', 'x', { cause }).cause;

  test('is a fresh Error with the name, message, status and code of what was thrown', () => {
    class RestError extends Error {
      override name = 'RestError';
      readonly statusCode = 429;
      readonly code = 'TooManyRequests';
      readonly request = { headers: {} };
    }
    const thrown = new RestError('too many requests');
    const cause = causeOf(thrown) as Error;
    expect(cause).not.toBe(thrown);
    expect(Object.getPrototypeOf(cause)).toBe(Error.prototype);
    expect(Object.getOwnPropertyNames(cause).sort()).toEqual(['code', 'message', 'name', 'stack', 'status']);
    expect(cause).toMatchObject({
      name: 'RestError',
      message: 'too many requests',
      status: 429,
      code: 'TooManyRequests',
      stack: 'RestError: too many requests',
    });
  });

  test.each<[what: string, thrown: unknown, shown: object]>([
    ['a status', Object.assign(new Error('x'), { status: 503 }), { status: 503 }],
    [
      'a status that goes before statusCode',
      Object.assign(new Error('x'), { status: 503, statusCode: 1 }),
      { status: 503 },
    ],
    ['a number as code', Object.assign(new Error('x'), { code: 13 }), { code: 13 }],
    ['a string', 'plain text', { name: 'Error', message: 'plain text' }],
    ['a number', 42, { message: '42' }],
    ['null', null, { message: 'null' }],
    ['a symbol', Symbol('odd'), { message: 'Symbol(odd)' }],
    ['an object with a message', { message: 'of its own' }, { name: 'Error', message: 'of its own' }],
    ['an object without one', {}, { message: '[object Object]' }],
    [
      'a name that is no name',
      Object.assign(new Error('x'), { name: 'a name: with text' }),
      { name: 'Error' },
    ],
  ])('keeps what is there: %s', (_, thrown, shown) => {
    expect(causeOf(thrown)).toMatchObject(shown);
  });

  test.each<[what: string, thrown: unknown]>([
    ['a status that is no number', Object.assign(new Error('x'), { status: 'Forbidden', code: {} })],
    ['the causes of the cause', new Error('x', { cause: new Error('deeper') })],
    ['what an aggregate holds', new AggregateError([new Error('one')], 'x')],
    ['other properties', Object.assign(new Error('x'), { config: {}, response: {}, request: {} })],
  ])('leaves out %s', (_, thrown) => {
    const cause = causeOf(thrown) as Error;
    expect(Object.getOwnPropertyNames(cause).sort()).toEqual(['message', 'name', 'stack']);
  });

  test('can be any thrown value', () => {
    for (const thrown of [Object.create(null), Object.freeze(new Error('x')), () => {}, 1n, false, '']) {
      expect(() => causeOf(thrown)).not.toThrow();
      expect(causeOf(thrown)).toBeInstanceOf(Error);
    }
  });
});

describe('whether an error can pass', () => {
  test.each(Object.entries(CODES))('%s is %s', (code, expected) => {
    const error = new OIDCCallbackError(code as OIDCCallbackErrorCode, 'x');
    expect(isTransient(error)).toBe(expected === 'transient');
  });

  test('is what the thrower says, where it says so', () => {
    expect(isTransient(new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'x', { retryForMS: 0 }))).toBe(false);
    expect(
      isTransient(
        new OIDCCallbackError('ERR_OIDC_ACCESS_DENIED', 'x', { retryForMS: Number.POSITIVE_INFINITY }),
      ),
    ).toBe(true);
  });

  test('and for how long, from the first attempt on: always or never, where the thrower does not say', () => {
    const error = (options: { retryForMS?: number }) =>
      new OIDCCallbackError('ERR_OIDC_IDENTITY_NOT_FOUND', 'x', options);
    expect(retryForMS(error({}))).toBe(0);
    expect(retryForMS(error({ retryForMS: Number.POSITIVE_INFINITY }))).toBe(Number.POSITIVE_INFINITY);
    expect(retryForMS(error({ retryForMS: 5_000 }))).toBe(5_000);
    expect(isTransient(error({ retryForMS: 5_000 }))).toBe(true);
    expect(isTransient(error({ retryForMS: 0 }))).toBe(false);
    expect(retryForMS(new OIDCCallbackError('ERR_OIDC_TOKEN_FILE', 'x'))).toBe(Number.POSITIVE_INFINITY);
    expect(retryForMS(new OIDCCallbackError('ERR_OIDC_TOKEN_FILE', 'x', { retryForMS: 0 }))).toBe(0);
  });

  test('is no property of the error', () => {
    const error = new OIDCCallbackError('ERR_OIDC_RATE_LIMITED', 'x', { retryForMS: 0 });
    expect(Object.getOwnPropertyNames(error).sort()).toEqual(['code', 'message', 'stack']);
  });
});

describe('anything thrown becomes an OIDCCallbackError', () => {
  test('which is itself where it is one', () => {
    const error = new OIDCCallbackError('ERR_OIDC_ABORTED', 'x');
    expect(toCallbackError(error)).toBe(error);
  });

  test.each<[what: string, thrown: unknown, reason: string]>([
    ['an error', new TypeError('fetch failed'), 'fetch failed'],
    ['a string', 'out of luck', 'out of luck'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a symbol', Symbol('odd'), 'Symbol(odd)'],
  ])('which can pass and gives the reason of %s', (_, thrown, reason) => {
    const error = toCallbackError(thrown);
    expect(error).toBeInstanceOf(OIDCCallbackError);
    expect(error.code).toBe('ERR_OIDC_SOURCE_UNREACHABLE');
    expect(error.message).toBe(`The token source failed: ${reason}`);
    expect(isTransient(error)).toBe(true);
  });

  test('with what was thrown as its cause', () => {
    expect(toCallbackError(new TypeError('fetch failed')).cause).toMatchObject({ name: 'TypeError' });
  });

  test('even what only looks like one', () => {
    const error = toCallbackError(Object.create(OIDCCallbackError.prototype));
    expect(error.code).toBe('ERR_OIDC_SOURCE_UNREACHABLE');
    expect(retryForMS(error)).toBe(Number.POSITIVE_INFINITY);
  });

  test('even an object that cannot be made a string', () => {
    expect(toCallbackError(Object.create(null))).toMatchObject({ code: 'ERR_OIDC_SOURCE_UNREACHABLE' });
  });
});
