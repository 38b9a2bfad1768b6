import { describe, expect, test } from 'vitest';
import { OIDCCallbackError } from '../../src/errors.js';
import { invalidOption, requireAudience, requireKnownOptions, requireString } from '../../src/options.js';

function failureOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error('expected an error');
}

test('an invalid option is an error that names it', () => {
  const error = invalidOption('timeoutMS', 'must be a number');
  expect(error).toBeInstanceOf(OIDCCallbackError);
  expect(error).toMatchObject({
    code: 'ERR_OIDC_INVALID_OPTION',
    message: "The option 'timeoutMS' must be a number.",
  });
});

describe('known options', () => {
  const check = (options: unknown) => () => requireKnownOptions('SomeCallback', options, ['a', 'b']);

  test.each([[{}], [{ a: 1 }], [{ a: 1, b: undefined }], [Object.create(null)]])('pass: %j', (options) => {
    expect(check(options)).not.toThrow();
  });

  test('pass where others are inherited or hidden', () => {
    expect(check(Object.create({ inherited: 1 }))).not.toThrow();
    expect(check(Object.defineProperty({}, 'hidden', { value: 1, enumerable: false }))).not.toThrow();
  });

  test('do not pass beside an unknown one, even where it is undefined: it is named with the known ones', () => {
    for (const options of [{ a: 1, c: 2 }, { c: undefined }]) {
      expect(failureOf(check(options))).toMatchObject({
        code: 'ERR_OIDC_INVALID_OPTION',
        message: "The option 'c' is not known to SomeCallback; it takes a, b.",
      });
    }
  });

  test.each(['constructor', 'toString', '__proto__'])('do not include %s, which every object has', (name) => {
    const options = Object.fromEntries([[name, 1]]);
    expect(failureOf(check(options))).toMatchObject({ message: expect.stringContaining(`'${name}'`) });
  });

  test.each([[null], ['mongodb'], [42], [true], [Symbol('a')], [[]], [['a']], [() => {}]])(
    'are an object, and not %s',
    (options) => {
      expect(failureOf(check(options))).toMatchObject({
        code: 'ERR_OIDC_INVALID_OPTION',
        message: "The options of SomeCallback must be an object, such as { audience: '…' }.",
      });
    },
  );
});

describe('a string option', () => {
  const read = (value: unknown) => requireString({ audience: value }, 'audience');

  test.each([['api://mongodb'], ['0'], [' spaces inside and around ']])(
    'is returned as it is: %j',
    (value) => {
      expect(read(value)).toBe(value);
    },
  );

  test('may be left out or undefined', () => {
    expect(read(undefined)).toBeUndefined();
    expect(requireString({} as { audience?: unknown }, 'audience')).toBeUndefined();
  });

  test.each([[''], [' '], ['\t\n'], ['\u00a0']])('must not be empty: %j', (value) => {
    expect(failureOf(() => read(value))).toMatchObject({
      code: 'ERR_OIDC_INVALID_OPTION',
      message: "The option 'audience' must not be empty; leave it out for the default.",
    });
  });

  test.each([
    [42, 'number'],
    [true, 'boolean'],
    [['a'], 'object'],
    [Symbol('a'), 'symbol'],
    [new String('a'), 'object'],
  ])('must be a string, and %s is none', (value, type) => {
    expect(failureOf(() => read(value))).toMatchObject({
      code: 'ERR_OIDC_INVALID_OPTION',
      message: `The option 'audience' must be a string, not a ${type}.`,
    });
  });

  test('must not be null', () => {
    expect(failureOf(() => read(null))).toMatchObject({ code: 'ERR_OIDC_INVALID_OPTION' });
  });

  test('is not quoted when it is wrong: it could be a secret', () => {
    expect((failureOf(() => read(['s3cret'])) as Error).message).not.toContain('s3cret');
  });
});

describe('the audience', () => {
  test('is returned as it is', () => {
    expect(requireAudience('api://mongodb')).toBe('api://mongodb');
  });

  test.each([undefined, ''])(
    'is missing where it is %j: the error names both places to set it',
    (audience) => {
      const error = failureOf(() => requireAudience(audience)) as OIDCCallbackError;
      expect(error.code).toBe('ERR_OIDC_AUDIENCE_MISSING');
      expect(error.message).toMatch(/`audience` option.*TOKEN_RESOURCE in authMechanismProperties/);
    },
  );
});
