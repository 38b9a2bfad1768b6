// From a token, and what the server was told if that is known, to why "Authentication failed".

import { documentDBOfAudience } from '../documentdb.js';
import { audiences, type Claims, namesOf, quote } from '../jwt.js';
import { createUser, documentDBUser, otherVersion } from './advice.js';
import { claimFix, isText, isTexts, listsOf, principalsOf, show } from './claims.js';
import { type Finding, finding, type Situation, when } from './finding.js';
import { issuerKindOf, tokenKindOf, versionOf } from './issuers.js';
import { differencesFrom, nearest } from './provider-differences.js';
import { configFindings } from './provider-rules.js';
import type { IdentityProvider } from './server-config.js';
import { formFindings, timeFindings, tokenFindings } from './token-findings.js';

/**
 * Why a server with this configuration answered 18 to this token: what is certain, which in the ordinary case is
 * one thing; where nothing is, what is left.
 */
export function causesOf(
  claims: Claims,
  providers: readonly IdentityProvider[],
  situation: Situation,
): Finding[] {
  const certain = certainCausesOf(claims, providers, situation);
  if (certain.length > 0) return certain;
  const provider = nearest(claims, providers);
  return [
    provider?.useAuthorizationClaim === false
      ? userMissing(claims, situation, provider)
      : keysMissing(claims, situation),
  ];
}

/** Why a server with this configuration will not take this token, without asking it. */
export function certainCausesOf(
  claims: Claims,
  providers: readonly IdentityProvider[],
  situation: Situation,
): Finding[] {
  const provider = nearest(claims, providers);
  if (!provider) {
    return [
      finding('ISSUER_DIFFERS', 'The server has no identity provider.', `Add one for ${show(claims.iss)}.`),
    ];
  }
  const differences = differencesFrom(provider, claims, situation);
  return [
    ...differences,
    ...timeFindings(claims, situation),
    ...(differences.length > 0 ? [] : configFindings(providers)),
    ...formFindings(claims, situation, provider.principalName),
    ...authorizationFindings(claims, provider),
  ];
}

/** Why a server whose configuration is not known may have answered 18 to this token, likeliest first. */
export function likelyCauses(claims: Claims, situation: Situation): Finding[] {
  const kind = tokenKindOf(claims, situation.environment);
  const compare = 'Compare every character: scheme, case, a slash at the end.';
  const others = [
    userMissing(claims, situation),
    finding('AUDIENCE_DIFFERS', `The server may want another audience than ${namesOf(claims)}.`, compare),
    keysMissing(claims, situation),
    finding(
      'AUTHORIZATION_CLAIM_MISSING',
      'The server may want an authorizationClaim that the token lacks.',
      claimFix('authorizationClaim', listsOf(claims)),
    ),
    finding(
      'SUBJECT_MISSING',
      'The server may want a principalName that the token lacks.',
      claimFix('principalName', principalsOf(claims)),
    ),
  ];
  const version = versionOf(kind);
  const issuers = [
    ...when(
      version > 0,
      `TOKEN_V${version}_FOR_V${3 - version}`,
      `The server may want v${3 - version} tokens of Entra, and this is a v${version} one.`,
      otherVersion(kind),
    ),
    finding('ISSUER_DIFFERS', `The server may want another issuer than ${show(claims.iss)}.`, compare),
  ];
  // Entra has two issuers for each tenant, and each cluster has its own.
  others.splice(kind.place === undefined ? 2 : 0, 0, ...issuers);
  const own = tokenFindings(claims, situation);
  return [...own, ...others.filter(({ code }) => own.every((known) => known.code !== code))];
}

function authorizationFindings(
  claims: Claims,
  { authorizationClaim = '', useAuthorizationClaim }: IdentityProvider,
): Finding[] {
  const value = claims[authorizationClaim];
  return when(
    useAuthorizationClaim !== false && authorizationClaim !== '' && !isTexts(value),
    'AUTHORIZATION_CLAIM_MISSING',
    `The token's claim ${quote(authorizationClaim)}, which names the roles, is ${value === undefined ? 'missing' : 'no list of texts'}${'_claim_names' in claims ? ' (too many groups)' : ''}.`,
    claimFix('authorizationClaim', listsOf(claims)),
  );
}

function userMissing(claims: Claims, { clientId }: Situation, provider?: IdentityProvider): Finding {
  const subject = claims[provider?.principalName ?? 'sub'];
  const user = `${provider?.authNamePrefix ?? '<authNamePrefix>'}/${isText(subject) ? subject : '<subject>'}`;
  const client = [clientId, claims.appid, claims.azp].find((id) => isText(id) && id !== subject);
  const isAzure = issuerKindOf(claims.iss).prefix === 'azure';
  return finding(
    'USER_MISSING',
    `The server ${provider ? 'has' : 'may have'} no user ${quote(user)} in $external: it was made without the prefix, in another database${client && isAzure ? `, with the client ID ${show(client)} instead of the object ID` : ''}, or not at all.`,
    documentDBOfAudience(audiences(claims)[0])
      ? documentDBUser(claims)
      : `${createUser(user)}${provider ? '; if it exists, the server lacks the key of the issuer' : ''}`,
  );
}

function keysMissing({ iss }: Claims, { header }: Situation): Finding {
  return finding(
    'SERVER_KEYS',
    `The server may not reach ${show(iss)}, or lack its key${header ? ` ${show(header.kid)}` : ''}.`,
    "On the server, fetch the issuer's .well-known/openid-configuration and its jwks_uri; then db.adminCommand({ oidcRefreshKeys: 1 }).",
  );
}
