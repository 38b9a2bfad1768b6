// The token: what it says, which is no secret, and what is wrong with it before any server has seen it.

import { type Claims, expiryOf, namesOf, oneLine } from '../jwt.js';
import type { Finding, Situation } from './finding.js';
import { ok, type Report, warning } from './report.js';
import { tokenFindings } from './token-findings.js';

/** Claims that name groups or roles. */
const GROUP_CLAIMS = ['groups', 'roles'];
/** What says whose token it is, besides the subject. */
const IDENTITY_CLAIMS = ['appid', 'azp', 'oid', 'xms_mirid', 'email'];
/** A server refuses these, whatever its configuration. */
const FATAL = new Set([
  'TOKEN_EXPIRED',
  'TOKEN_NOT_YET_VALID',
  'TOKEN_WITHOUT_EXPIRY',
  'SUBJECT_MISSING',
  'TOKEN_HEADER',
  'AUDIENCES_SEVERAL',
]);

/** What is wrong with a token so that a server refuses it, whatever its configuration. */
export function fatalFindings(claims: Claims, situation: Situation): Finding[] {
  return tokenFindings(claims, situation).filter(({ code }) => FATAL.has(code));
}

/** @param isFinal - no server is going to judge it, whose clock may be another */
export function examineToken(claims: Claims, situation: Situation, isFinal: boolean, report: Report): void {
  const { iss, aud, sub, ver } = claims;
  const version = ver === undefined ? '' : ` (version ${text(ver)} tokens)`;
  report.note('token', 'issuer', ok(`Issuer ${text(iss)}${version}`, { iss, ver }));
  report.note('token', 'audience', ok(`Audience ${namesOf(claims)}`, { aud }));
  const others = IDENTITY_CLAIMS.filter((name) => claims[name] !== undefined).map(
    (name) => `${name} ${text(claims[name])}`,
  );
  const whose = others.length > 0 ? ` (${others.join(', ')})` : '';
  report.note(
    'token',
    'subject',
    ok(`Subject ${text(sub)}${whose}`, { sub, ...pick(claims, IDENTITY_CLAIMS) }),
  );
  const groups = pick(claims, GROUP_CLAIMS);
  for (const [name, values] of Object.entries(groups)) {
    report.note(
      'token',
      name,
      ok(`${name}: ${[values].flat().slice(0, 20).map(text).join(', ')}`, { [name]: values }),
    );
  }
  const expiresAt = expiryOf(claims);
  if (expiresAt !== undefined && expiresAt > situation.nowMS) {
    const minutes = Math.round((expiresAt - situation.nowMS) / 60_000);
    const when = new Date(expiresAt).toISOString();
    report.note('token', 'expiry', ok(`Expires at ${when}, in ${minutes} min`, { expiresAt: when }));
  }
  for (const finding of tokenFindings(claims, situation)) {
    const outcome = warning(finding);
    const hasFailed = isFinal && FATAL.has(finding.code);
    report.note('token', 'finding', hasFailed ? { ...outcome, status: 'failed' } : outcome);
  }
}

function pick(claims: Claims, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => claims[name] !== undefined).map((name) => [name, claims[name]]),
  );
}

/** A claim is foreign text. */
function text(value: unknown): string {
  return typeof value === 'string' ? oneLine(value) : oneLine(JSON.stringify(value) ?? 'none');
}
