// From a token, and what the server was told if that is known, to why "Authentication failed".
// What the server wants of a token: src/mongo/crypto/jws_validated_token.cpp and jwt_types.idl of mongodb/mongo.

import { documentDBOfAudience } from '../documentdb.js';
import { audiences, type Claims, expiryOf, millisecondsOf, namesOf, quote } from '../jwt.js';
import { otherReceiverOf } from '../other-receivers.js';
import { createUser, documentDBUser, isTexts, otherVersion } from './advice.js';
import type { Finding, Situation } from './finding.js';
import { projectedToken } from './fixes.js';
import { type IssuerKind, issuerKindOf, tokenKindOf } from './issuers.js';
import type { IdentityProvider } from './server-config.js';

/** By how much the server lets a token be too young; too old it must not be at all. */
const TOLERANCE_MS = 60_000;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DEFAULT_SUFFIX = /\/\.default$/;

/** What is wrong with a token by itself, before any server. */
export function tokenFindings(claims: Claims, situation: Situation): Finding[] {
  const times = timeFindings(claims, situation);
  return [
    ...(times.length > 0 ? times : clockFindings(claims, situation)),
    ...receiverFindings(claims, situation),
    ...formFindings(claims, situation),
  ];
}

/**
 * Why a server with this configuration answered 18 to this token: what is certain, which in the ordinary case is
 * one thing; where nothing is, what is left.
 */
export function causesOf(
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
  const certain = [
    ...differences,
    ...timeFindings(claims, situation),
    ...(differences.length > 0 ? [] : configFindings(providers)),
    ...formFindings(claims, situation, provider.principalName),
    ...authorizationFindings(claims, provider),
  ];
  if (certain.length > 0) return certain;
  return [
    provider.useAuthorizationClaim === false
      ? userMissing(claims, situation, provider)
      : keysMissing(claims, situation),
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

function finding(code: string, summary: string, fix: string): Finding {
  return { code, summary, fix };
}

function when(condition: boolean, code: string, summary: string, fix: string): Finding[] {
  return condition ? [finding(code, summary, fix)] : [];
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

function timeFindings(claims: Claims, situation: Situation): Finding[] {
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

function formFindings(claims: Claims, { header }: Situation, principalName = 'sub'): Finding[] {
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

function claimFix(name: string, claims: string): string {
  const instead = name === 'principalName' ? '' : 'useAuthorizationClaim to false (Atlas: User ID)';
  const ofToken = claims && `${name} to one of the token's (${claims})`;
  return `Set the server's ${[ofToken, instead].filter(Boolean).join(', or ')}.`;
}

type Rule = (
  one: IdentityProvider,
  earlier: readonly IdentityProvider[],
  all: readonly IdentityProvider[],
) => boolean;

const isHuman = ({ supportsHumanFlows }: IdentityProvider) => supportsHumanFlows !== false;

/** The server refuses a configuration that breaks one of these. */
const RULES: readonly (readonly [broken: string, isBroken: Rule])[] = [
  ['authNamePrefix has other than letters, digits, - and _', (one) => /[^\w-]/.test(one.authNamePrefix)],
  ['neither clientId nor supportsHumanFlows: false', (one) => isHuman(one) && !one.clientId],
  [
    'neither authorizationClaim nor useAuthorizationClaim: false',
    (one) => one.useAuthorizationClaim !== false && !one.authorizationClaim,
  ],
  [
    'neither matchPattern nor supportsHumanFlows: false',
    (one, _, all) => isHuman(one) && !one.matchPattern && all.filter(isHuman).length > 1,
  ],
  [
    'matchPattern after a provider without',
    (one, earlier) => !!one.matchPattern && !earlier.every(({ matchPattern }) => matchPattern),
  ],
  [
    'issuer and audience of another provider',
    (one, earlier) => earlier.some((other) => other.issuer === one.issuer && other.audience === one.audience),
  ],
];

function configFindings(providers: readonly IdentityProvider[]): Finding[] {
  const broken = providers.flatMap((one, index) =>
    RULES.filter(([, isBroken]) => isBroken(one, providers.slice(0, index), providers)).map(
      ([rule]) => `[${index}]: ${rule}`,
    ),
  );
  return when(
    broken.length > 0,
    'CONFIG_INVALID',
    `MongoDB refuses this configuration: oidcIdentityProviders${broken.slice(0, 3).join('; ')}.`,
    'Mend it, or get what the server has (getParameter).',
  );
}

function differencesFrom(provider: IdentityProvider, claims: Claims, { environment }: Situation): Finding[] {
  const [aud = ''] = audiences(claims);
  const iss = typeof claims.iss === 'string' ? claims.iss : '';
  const [issuer, wanted] = [issuerKindOf(iss), issuerKindOf(provider.issuer)];
  const [version, wantedVersion] = [versionOf(issuer), versionOf(wanted)];
  const isVersion = version + wantedVersion === 3 && issuer.place === wanted.place;
  // A v1 token has the resource that was asked for as its audience, a v2 token the application's client ID.
  const isClientId = GUID.test(aud);
  const isVersionOfAudience = version === (isClientId ? 2 : 1) && isClientId !== GUID.test(provider.audience);
  const versions = `a v${version} token of Entra, where v${3 - version} is expected`;
  const isAudience = audiences(claims).includes(provider.audience);
  const receivers = isAudience ? [] : receiverFindings(claims, {}, provider.audience);
  const isPlace = issuer.prefix === wanted.prefix && issuer.place !== wanted.place;
  const found = [
    ...differsIf(
      iss !== provider.issuer,
      'issuer',
      show(claims.iss),
      provider.issuer,
      isVersion
        ? versions
        : howTextsDiffer(
            iss,
            provider.issuer,
            isPlace
              ? `another ${version ? 'tenant' : 'cluster'}, ${show(issuer.place)}, not ${show(wanted.place)}`
              : issuer.kind === wanted.kind
                ? undefined
                : `${issuer.kind}, not ${wanted.kind}`,
          ),
      isVersion && otherTokens(wantedVersion),
    ),
    ...receivers,
    ...differsIf(
      !isAudience && receivers.length === 0,
      'audience',
      namesOf(claims),
      provider.audience,
      isVersionOfAudience && isVersion
        ? versions
        : isClientId && isVersionOfAudience
          ? "a v2 token of Entra has the application's client ID"
          : howTextsDiffer(
              aud,
              provider.audience,
              isVersionOfAudience ? 'a v1 token of Entra has what was asked for' : undefined,
            ),
      version < 2 &&
        !isVersion &&
        !DEFAULT_SUFFIX.test(provider.audience) &&
        (tokenKindOf(claims, environment).prefix === 'kubernetes'
          ? `mount a projected token with ${quote(provider.audience)}`
          : `ask for ${quote(provider.audience)}`),
    ),
  ];
  return isVersion && isVersionOfAudience && !isAudience
    ? [
        finding(
          `TOKEN_V${version}_FOR_V${wantedVersion}`,
          `This is ${versions}: the token's issuer is ${show(claims.iss)} and its audience ${namesOf(claims)}, the server's ${quote(provider.issuer)} and ${quote(provider.audience)}.`,
          `Set the server's issuer and audience to those of the token, or ${otherTokens(wantedVersion)}.`,
        ),
      ]
    : found;
}

function otherTokens(version: number): string {
  return `run: az ad app update --id <client ID of the application> --requested-access-token-version ${version}`;
}

function differsIf(
  condition: boolean,
  name: 'issuer' | 'audience',
  have: string,
  want: string,
  how: string,
  instead: string | false,
): Finding[] {
  return when(
    condition,
    `${name.toUpperCase()}_DIFFERS`,
    `The token's ${name} is ${have}, the server's ${quote(want)}: ${how}.`,
    `Set the server's ${name} to ${have}${instead ? `, or ${instead}` : ''}.`,
  );
}

function versionOf({ kind }: IssuerKind): number {
  return kind === 'Entra v1' ? 1 : kind === 'Entra v2' ? 2 : 0;
}

/** What two texts can be the same but for. */
const BUT_FOR: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['spaces', /^\s+|\s+$/g],
  ['a slash at the end', /\/+$/],
  ['/.default', DEFAULT_SUFFIX],
  ['api://', /^api:\/\//],
  ['http:// and https://', /^https?:\/\//],
  ['/v2.0', /\/v2\.0\/?$/],
  ['the path of the discovery document', /\/?(\.well-known\/.*)?$/],
];
/** A token can hold anything, and some of these patterns take their time. */
const LONGEST_COMPARED = 1_000;

function howTextsDiffer(one: string, other: string, otherwise = 'another one'): string {
  const but = (text: string, pattern: RegExp) => text.slice(0, LONGEST_COMPARED).replace(pattern, '');
  const butFor = BUT_FOR.find(([, pattern]) => but(one, pattern) === but(other, pattern));
  if (butFor) return `they differ in ${butFor[0]}`;
  if (one.toLowerCase() === other.toLowerCase()) return 'they differ in case';
  return distance(one, other) < 3 && otherwise === 'another one' ? 'a misspelling' : otherwise;
}

/** The provider that the token was most likely meant for. */
function nearest({ iss, aud }: Claims, providers: readonly IdentityProvider[]): IdentityProvider | undefined {
  const { place } = issuerKindOf(iss);
  const far = ({ issuer, audience }: IdentityProvider) =>
    (issuer === iss ? 0 : issuerKindOf(issuer).place === place ? 1_000 : 2_000) +
    distance(issuer, String(iss)) +
    distance(audience, String(aud));
  return providers.toSorted((one, other) => far(one) - far(other))[0];
}

/** How many characters of the longer text are between what both begin with and what both end with. */
function distance(one: string, other: string): number {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  let start = 0;
  while (start < short.length && short[start] === long[start]) start += 1;
  let end = 0;
  while (end < short.length - start && short.at(-1 - end) === long.at(-1 - end)) end += 1;
  return long.length - start - end;
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

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** Names of the claims that roles could come from. */
function listsOf(claims: Claims): string {
  const names = Object.keys(claims).filter((name) => name !== 'aud' && isTexts(claims[name]));
  return names.slice(0, 5).map(quote).join(', ');
}

/** The claims that can name a user. */
function principalsOf(claims: Claims): string {
  const names = ['sub', 'oid', 'email', 'azp', 'appid'].filter((name) => isText(claims[name]));
  return names.map((name) => `${name} ${show(claims[name])}`).join(', ') || 'none';
}

function show(value: unknown): string {
  return typeof value === 'string' ? quote(value) : value === undefined ? 'missing' : `a ${typeof value}`;
}

function duration(milliseconds: number): string {
  const minutes = Math.abs(milliseconds) / 60_000;
  return minutes < 2 ? `${Math.round(minutes * 60)} s` : `${Math.round(minutes)} min`;
}
