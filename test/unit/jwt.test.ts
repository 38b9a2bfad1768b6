import { describe, expect, test } from 'vitest';
import { isTransient, OIDCCallbackError, retryForMS } from '../../src/errors.js';
import { audiences, expiryOf, quote, readClaims, requireAudienceClaim } from '../../src/jwt.js';
import { jwt, part, SIGNATURE } from './jwts.js';

const HEADER = part({ alg: 'RS256' });
const PAYLOAD = part({ iss: 'https://issuer.example', aud: 'mongodb', exp: 1_900_000_000 });

function failureOf(action: () => unknown): OIDCCallbackError {
  try {
    action();
  } catch (error) {
    if (error instanceof OIDCCallbackError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('the claims of a token', () => {
  test('are its payload', () => {
    expect(readClaims(`${HEADER}.${PAYLOAD}.${SIGNATURE}`, 'The source')).toEqual({
      iss: 'https://issuer.example',
      aud: 'mongodb',
      exp: 1_900_000_000,
    });
  });

  test('may be none, and may hold any text', () => {
    expect(readClaims(jwt({}), 'The source')).toEqual({});
    expect(readClaims(jwt({ sub: 'schön–日本', aud: '??>>' }), 'The source')).toEqual({
      sub: 'schön–日本',
      aud: '??>>',
    });
  });

  test('may be surrounded by spaces, as JSON may', () => {
    expect(readClaims(`${part('{ }')}.${part(' {\n"aud": "a" }')}.x`, 'The source')).toEqual({ aud: 'a' });
  });

  test('are not verified: the signature may be anything in base64url', () => {
    expect(readClaims(`${HEADER}.${PAYLOAD}.-_aZ09`, 'The source')).toMatchObject({ aud: 'mongodb' });
  });
});

describe('what is no JSON Web Token', () => {
  const NO_TOKEN = 'The source answered without a token.';
  const THREE_PARTS =
    'The source answered something that is no JSON Web Token (three base64url parts, separated by dots).';
  const HEADER_TEXT = 'The source answered a token whose header is not a JSON object.';
  const PAYLOAD_TEXT = 'The source answered a token whose payload is not a JSON object.';

  test.each<[what: string, token: unknown, message: string]>([
    ['nothing', undefined, NO_TOKEN],
    ['null', null, NO_TOKEN],
    ['an empty string', '', NO_TOKEN],
    ['a number', 42, NO_TOKEN],
    ['an object', { token: jwt() }, NO_TOKEN],
    ['an opaque token', 'ya29c0ffee', THREE_PARTS],
    ['an HTML page', '<!doctype html><title>Sign in</title>', THREE_PARTS],
    ['an HTML page of three parts', '<p>a.b.c</p>', THREE_PARTS],
    ['two parts', `${HEADER}.${PAYLOAD}`, THREE_PARTS],
    ['four parts', `${HEADER}.${PAYLOAD}.${SIGNATURE}.${SIGNATURE}`, THREE_PARTS],
    ['six parts', 'a.b.c.d.e.f', THREE_PARTS],
    ['an empty header', `.${PAYLOAD}.${SIGNATURE}`, THREE_PARTS],
    ['an empty payload', `${HEADER}..${SIGNATURE}`, THREE_PARTS],
    ['no signature', `${HEADER}.${PAYLOAD}.`, THREE_PARTS],
    ['a line break at its end', `${HEADER}.${PAYLOAD}.${SIGNATURE}\n`, THREE_PARTS],
    ['a space before it', ` ${HEADER}.${PAYLOAD}.${SIGNATURE}`, THREE_PARTS],
    ['base64 that is not base64url', `${HEADER}.${PAYLOAD}.ab+/`, THREE_PARTS],
    ['padding', `${HEADER}.${PAYLOAD}.YQ==`, THREE_PARTS],
    ['letters outside ASCII', `${HEADER}.${PAYLOAD}.ü`, THREE_PARTS],
    ['a scheme before it', `Bearer ${jwt()}`, THREE_PARTS],
    ['a header that is no JSON', `${part('hello')}.${PAYLOAD}.${SIGNATURE}`, HEADER_TEXT],
    ['a header that is an array', `${part([])}.${PAYLOAD}.${SIGNATURE}`, HEADER_TEXT],
    ['a header that is null', `${part('null')}.${PAYLOAD}.${SIGNATURE}`, HEADER_TEXT],
    ['a header that is a string', `${part('"RS256"')}.${PAYLOAD}.${SIGNATURE}`, HEADER_TEXT],
    ['a payload that is no JSON', `${HEADER}.${part('{"aud":')}.${SIGNATURE}`, PAYLOAD_TEXT],
    ['a payload that is an array', `${HEADER}.${part(['mongodb'])}.${SIGNATURE}`, PAYLOAD_TEXT],
    ['a payload that is null', `${HEADER}.${part('null')}.${SIGNATURE}`, PAYLOAD_TEXT],
    ['a payload that is a number', `${HEADER}.${part('1')}.${SIGNATURE}`, PAYLOAD_TEXT],
    ['a payload that is a boolean', `${HEADER}.${part('true')}.${SIGNATURE}`, PAYLOAD_TEXT],
  ])('%s: says so, quotes nothing, and may be asked for again', (_, token, message) => {
    const error = failureOf(() => readClaims(token, 'The source'));
    expect(error).toMatchObject({ code: 'ERR_OIDC_TOKEN_INVALID', message });
    expect(error.cause).toBeUndefined();
    expect(isTransient(error)).toBe(true);
  });

  test('an encrypted token of five parts: says what to turn off, and is not asked for again', () => {
    const error = failureOf(() => readClaims(`${HEADER}.b.c.d.e`, 'The source'));
    expect(error).toMatchObject({
      code: 'ERR_OIDC_TOKEN_INVALID',
      message:
        'The source issued an encrypted token (five parts), which MongoDB cannot read. Turn token encryption off for this audience.',
    });
    expect(isTransient(error)).toBe(false);
  });
});

describe('five parts that are two tokens of a file', () => {
  test('are not called an encrypted token', () => {
    const token = `${HEADER}.${PAYLOAD}.x\n${HEADER}.${PAYLOAD}.x`;
    const error = failureOf(() => readClaims(token, 'The file', { says: 'holds', retryForMS: 5 }));
    expect(error.message).toMatch(/^The file holds something that is no JSON Web Token/);
    expect(retryForMS(error)).toBe(5);
  });
});

describe('the audiences of a token', () => {
  test.each([
    ['a string', 'mongodb', ['mongodb']],
    ['a list', ['a', 'b'], ['a', 'b']],
    ['an empty list', [], []],
    ['missing', undefined, []],
    ['null', null, []],
    ['a number', 7, []],
    ['a list with other things in it', ['a', 7, null, { b: 1 }], ['a']],
  ])('are a list where the claim is %s', (_, aud, list) => {
    expect(audiences({ aud })).toEqual(list);
  });
});

describe('a token for another audience than the one asked for', () => {
  const check = (aud: unknown, asked: string) => () =>
    requireAudienceClaim({ aud }, asked, 'The source', 'Do this.');

  test.each([
    ['a string', 'mongodb'],
    ['a list of one', ['mongodb']],
    ['a list of several', ['https://kubernetes.default.svc', 'mongodb']],
  ])('is not one whose audience, %s, holds it', (_, aud) => {
    expect(check(aud, 'mongodb')).not.toThrow();
  });

  test('is an error that names both and says what to do', () => {
    expect(failureOf(check('other', 'mongodb'))).toMatchObject({
      code: 'ERR_OIDC_AUDIENCE_MISMATCH',
      message: "The source has a token for 'other', and 'mongodb' was asked for. Do this.",
    });
    expect(failureOf(check(['a', 'b'], 'mongodb')).message).toBe(
      "The source has a token for 'a', 'b', and 'mongodb' was asked for. Do this.",
    );
    expect(failureOf(check(undefined, 'mongodb')).message).toBe(
      "The source has a token for no audience, and 'mongodb' was asked for. Do this.",
    );
  });

  test.each([
    ['in case', 'MongoDB'],
    ['in a slash at the end', 'mongodb/'],
    ['as a part does', 'mongo'],
    ['as a longer one does', 'mongodb-2'],
  ])('is one that differs %s', (_, aud) => {
    expect(failureOf(check(aud, 'mongodb')).code).toBe('ERR_OIDC_AUDIENCE_MISMATCH');
    expect(failureOf(check([aud], 'mongodb')).code).toBe('ERR_OIDC_AUDIENCE_MISMATCH');
  });

  test('is not asked for again: another attempt would bring the same', () => {
    expect(isTransient(failureOf(check('other', 'mongodb')))).toBe(false);
  });
});

describe('a claim in a message', () => {
  test('stays on one line, and is cut', () => {
    const aud = ['a\n\u001b[31mb', 'c'.repeat(1_000), ...'defghi'];
    const error = failureOf(() => requireAudienceClaim({ aud }, 'mongodb', 'The source', ''));
    expect(error.message).toMatch(/has a token for 'a {2}\[31mb', 'c{200}…', 'd', 'e', 'f', and 'mongodb'/);
  });

  test.each([
    ['turns the direction of what follows', 'mon\u202egodb'],
    ['ends a line', 'mon\u2028godb'],
    ['is half a character', 'mon\ud83dgodb'],
    ['a terminal takes for an escape', 'mon\u009bgodb'],
  ])('has nothing in it that %s', (_, aud) => {
    expect(quote(aud)).toBe("'mon godb'");
  });

  test('is no token', () => {
    expect(quote(jwt({ sub: 'a' }))).toBe("'[redacted]'");
  });
});

describe('the expiry of a token', () => {
  test.each([8.64e12 + 1, -8.64e12 - 1, 1e300])('is not known where no date can be %d', (exp) => {
    expect(expiryOf({ exp })).toBeUndefined();
  });

  test('can be the last date that there is', () => {
    expect(new Date(expiryOf({ exp: 8.64e12 }) ?? 0).getTime()).toBe(8.64e15);
  });

  test('is its exp, in milliseconds', () => {
    expect(expiryOf({ exp: 1_900_000_000 })).toBe(1_900_000_000_000);
    expect(expiryOf({ exp: 1_900_000_000.5 })).toBe(1_900_000_000_500);
    expect(expiryOf({ exp: 0 })).toBe(0);
  });

  test.each([undefined, null, '1900000000', Number.NaN, Number.POSITIVE_INFINITY, {}])(
    'is not known where exp is %s',
    (exp) => {
      expect(expiryOf({ exp })).toBeUndefined();
    },
  );

  test('is not known where exp is a number that JSON can hold and JavaScript cannot', () => {
    expect(expiryOf(readClaims(`${HEADER}.${part('{"exp":1e999}')}.x`, 'The source'))).toBeUndefined();
  });
});
