// What is wrong with a token by itself, before any server.
// What the server wants of a token: src/mongo/crypto/jws_validated_token.cpp and jwt_types.idl of mongodb/mongo.

import { audiences, type Claims, expiryOf, millisecondsOf, namesOf, quote } from '../jwt.js';
import { otherReceiverOf } from '../other-receivers.js';
import { claimFix, isText, principalsOf, show } from './claims.js';
import { type Finding, type Situation, when } from './finding.js';
import { projectedToken } from './fixes.js';
import { tokenKindOf } from './issuers.js';

/** By how much the server lets a token be too young; too old it must not be at all. */
const TOLERANCE_MS = 60_000;
export const DEFAULT_SUFFIX = /\/\.default$/;

/** Everything of that kind. */
export function tokenFindings(claims: Claims, situation: Situation): Finding[] {
  const times = timeFindings(claims, situation);
  return [
    ...(times.length > 0 ? times : clockFindings(claims, situation)),
    ...receiverFindings(claims, situation),
    ...formFindings(claims, situation),
  ];
}

/** What the server, and a token if there is one, tell of clocks. */
export function clockFindings({ iat }: Claims, { nowMS, clockOffsetMS }: Situation): Finding[] {
  const isServer = Math.abs(clockOffsetMS ?? 0) > TOLERANCE_MS;
  // An old token says nothing about a clock; one from the future does.
  const aheadMS = isServer ? (clockOffsetMS ?? 0) : Math.max(0, (millisecondsOf(iat) ?? 0) - nowMS);
  return when(
    Math.abs(aheadMS) > TOLERANCE_MS,
    'CLOCK_DIFFERS',
    !isServer && clockOffsetMS !== undefined
      ? `The issuer's clock is ${duration(aheadMS)} ahead of this machine's and the server's.`
      : `This machine's clock is ${duration(aheadMS)} ${aheadMS > 0 ? 'behind' : 'ahead of'} the ${isServer ? 'server' : 'issuer'}'s.`,
    'Set the wrong one (NTP).',
  );
}

export function timeFindings(claims: Claims, situation: Situation): Finding[] {
  const { nowMS, clockOffsetMS, environment } = situation;
  // Where only our clock is known, and it is behind the issuer's, the issuer's is the better one.
  const serverMS =
    clockOffsetMS === undefined ? Math.max(nowMS, millisecondsOf(claims.iat) ?? 0) : nowMS + clockOffsetMS;
  const expiresMS = expiryOf(claims) ?? Number.POSITIVE_INFINITY;
  const startsMS = millisecondsOf(claims.nbf) ?? 0;
  const [clock] = clockFindings(claims, situation);
  const fix =
    clock !== undefined
      ? `${clock.summary} ${clock.fix}`
      : tokenKindOf(claims, environment).prefix === 'kubernetes'
        ? 'Mount the directory of the token: a subPath is never written again. Read the file for each token.'
        : "Get a new one; if it has the same fault, set this machine's clock (NTP).";
  return [
    ...when(
      expiresMS === Number.POSITIVE_INFINITY,
      'TOKEN_WITHOUT_EXPIRY',
      'The token has no exp, which MongoDB wants.',
      projectedToken('mongodb'),
    ),
    ...when(
      expiresMS < serverMS,
      'TOKEN_EXPIRED',
      `The token expired ${duration(serverMS - expiresMS)} ago.`,
      fix,
    ),
    ...when(
      startsMS > serverMS + TOLERANCE_MS,
      'TOKEN_NOT_YET_VALID',
      `The token's nbf is ${duration(startsMS - serverMS)} from now.`,
      fix,
    ),
  ];
}

/** Whom a token is for, or asked for, in place of MongoDB. */
export function receiverFindings(
  claims: Claims,
  { audienceAskedFor = '' }: Pick<Situation, 'audienceAskedFor'>,
  wanted = 'mongodb',
): Finding[] {
  const auds = audiences(claims);
  const scope = [audienceAskedFor, ...auds].find((aud) => DEFAULT_SUFFIX.test(aud)) ?? '';
  const other = auds.find((aud) => otherReceiverOf(aud, claims.iss)) ?? '';
  const receiver = otherReceiverOf(other, claims.iss);
  return [
    ...when(
      scope !== '',
      'AUDIENCE_HAS_DEFAULT_SUFFIX',
      `${quote(scope)} is a scope, not an audience.`,
      `Ask for ${quote(scope.replace(DEFAULT_SUFFIX, ''))}, without /.default.`,
    ),
    ...when(
      other !== '',
      receiver === 'exchange' ? 'TOKEN_FOR_EXCHANGE' : 'TOKEN_FOR_API_SERVER',
      `The token is for ${quote(other)}, and good there for whoever receives it.`,
      projectedToken(wanted),
    ),
  ];
}

export function formFindings(claims: Claims, { header }: Situation, principalName = 'sub'): Finding[] {
  // The server wants `sub`, whatever names the user.
  const missing = [principalName, 'sub'].find((name) => !isText(claims[name]));
  return [
    ...when(
      Array.isArray(claims.aud) && claims.aud.length > 1,
      'AUDIENCES_SEVERAL',
      `The token has several audiences: ${namesOf(claims)}.`,
      'Get one with one audience: MongoDB takes no other.',
    ),
    ...when(
      header !== undefined && (typeof header.kid !== 'string' || (header.typ ?? 'JWT') !== 'JWT'),
      'TOKEN_HEADER',
      `The token's header has kid ${show(header?.kid)} and typ ${show(header?.typ)}.`,
      "MongoDB wants a kid, and no typ but 'JWT': use another kind of token.",
    ),
    ...when(
      missing !== undefined,
      'SUBJECT_MISSING',
      `The token's claim ${show(missing)}, which MongoDB wants, is missing or no text.`,
      missing === 'sub' ? 'Use another kind of token.' : claimFix('principalName', principalsOf(claims)),
    ),
  ];
}

function duration(milliseconds: number): string {
  const minutes = Math.abs(milliseconds) / 60_000;
  return minutes < 2 ? `${Math.round(minutes * 60)} s` : `${Math.round(minutes)} min`;
}
