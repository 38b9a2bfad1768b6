// From a token, and what the server was told if that is known, to why "Authentication failed".
// What the server wants of a token: src/mongo/crypto/jws_validated_token.cpp and jwt_types.idl of mongodb/mongo.

import { documentDBOfAudience } from '../documentdb.js';
import { audiences, type Claims, expiryOf, millisecondsOf, namesOf, quote } from '../jwt.js';
import { otherReceiverOf } from '../other-receivers.js';
import { createUser, documentDBUser, otherEntraIssuer } from './advice.js';
import { type IssuerKind, issuerKindOf, tokenKindOf } from './issuers.js';
import type { IdentityProvider } from './server-config.js';

/** One thing that is wrong, or may be. */
export interface Finding {
  /** A stable string. */
  readonly code: string;
  /** What differs, by value. */
  readonly summary: string;
  readonly fix: string;
}

/** What is known beside the token's claims. */
export interface Situation {
  readonly nowMS: number;
  /** The server's clock minus ours. */
  readonly clockOffsetMS?: number | undefined;
  readonly environment?: string | undefined;
  readonly audienceAskedFor?: string | undefined;
  readonly clientId?: string | undefined;
  /** The token's header. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
}

/** By how much the server lets a token be too young; too old it must not be at all. */
const TOLERANCE_MS = 60_000;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DEFAULT_SUFFIX = /\/+\.default$/;

/** What is wrong with a token by itself, before any server. */
export function tokenFindings(claims: Claims, situation: Situation): Finding[] {
  return [
    ...clockFindings(claims, situation),
    ...timeFindings(claims, situation),
    ...receiverFindings(claims, situation),
    ...formFindings(claims, situation),
    ...principalFindings(claims),
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
      finding(
        'ISSUER_DIFFERS',
        `The server has no identity provider; the token's issuer is ${show(claims.iss)}.`,
        'Add one to oidcIdentityProviders.',
      ),
    ];
  }
  const differences = differencesFrom(provider, claims, situation);
  const certain = [
    ...differences,
    ...timeFindings(claims, situation),
    ...formFindings(claims, situation),
    ...(differences.length > 0 ? [] : configFindings(providers)),
    ...principalFindings(claims, provider.principalName),
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
  const { kind, name, place } = tokenKindOf(claims, situation.environment);
  const issuer = finding(
    'ISSUER_DIFFERS',
    `The server may have no provider with the issuer ${show(claims.iss)} (${name}).`,
    kind === 'entra-v1' || kind === 'entra-v2'
      ? `Compare every character; ${quote(otherEntraIssuer(kind, place))} is for the other version of tokens.`
      : 'Compare every character: cluster, https://, a slash at the end.',
  );
  const rest = [
    userMissing(claims, situation),
    finding(
      'AUDIENCE_DIFFERS',
      `The server's provider may have another audience than ${namesOf(claims)}.`,
      'Compare every character: api://, a slash at the end, upper and lower case.',
    ),
    keysMissing(claims, situation),
    finding(
      'AUTHORIZATION_CLAIM_MISSING',
      `The provider may want an authorizationClaim; the token has ${listsOf(claims) || 'no list of strings'}.`,
      'Name one that it has, or set "useAuthorizationClaim": false (Atlas: Authorization Type "User ID").',
    ),
    finding(
      'SUBJECT_MISSING',
      `The provider's principalName may not be among the claims of the token: ${principalsOf(claims)}.`,
      'Name one of these; "sub" is the default.',
    ),
  ];
  // Google has one issuer. Entra has two for each tenant, and every cluster has its own.
  rest.splice(kind === 'google' || kind === 'other' ? 2 : 0, 0, issuer);
  const own = tokenFindings(claims, situation);
  return [...own, ...rest.filter(({ code }) => !own.some((known) => known.code === code))];
}

function finding(code: string, summary: string, fix: string): Finding {
  return { code, summary, fix };
}

function clockFindings({ iat }: Claims, { nowMS, clockOffsetMS = 0 }: Situation): Finding[] {
  // An old token says nothing about a clock; one from the future does.
  const [aheadMS, whose] =
    Math.abs(clockOffsetMS) > TOLERANCE_MS
      ? [clockOffsetMS, "the server's"]
      : [Math.max(0, (millisecondsOf(iat) ?? 0) - nowMS), "the issuer's"];
  if (Math.abs(aheadMS) <= TOLERANCE_MS) return [];
  return [
    finding(
      'CLOCK_DIFFERS',
      `This machine's clock is ${duration(aheadMS)} ${aheadMS > 0 ? 'behind' : 'ahead of'} ${whose}.`,
      'Set the one that is wrong, and keep it set (NTP).',
    ),
  ];
}

function timeFindings(claims: Claims, { nowMS, clockOffsetMS, environment }: Situation): Finding[] {
  // Where only our clock is known, and it is behind the issuer's, the issuer's is the better one.
  const serverMS =
    clockOffsetMS === undefined ? Math.max(nowMS, millisecondsOf(claims.iat) ?? 0) : nowMS + clockOffsetMS;
  const expiresMS = expiryOf(claims);
  const beginsMS = millisecondsOf(claims.nbf) ?? 0;
  const [clock] = clockFindings({}, { nowMS, clockOffsetMS });
  const clockFix = clock && `${clock.summary} ${clock.fix}`;
  if (expiresMS === undefined) {
    return [
      finding(
        'TOKEN_WITHOUT_EXPIRY',
        "The token has no 'exp', and MongoDB takes none that is good for ever.",
        'In Kubernetes, use a projected token instead of a legacy one.',
      ),
    ];
  }
  if (expiresMS < serverMS) {
    return [
      finding(
        'TOKEN_EXPIRED',
        `The token expired ${duration(serverMS - expiresMS)} ago.`,
        clockFix ??
          (tokenKindOf(claims, environment).prefix === 'kubernetes'
            ? 'Read the file again for each token, and mount its directory: a subPath is never rewritten.'
            : "Get a new one; if that is expired too, this machine's clock is ahead."),
      ),
    ];
  }
  if (beginsMS <= serverMS + TOLERANCE_MS) return [];
  return [
    finding(
      'TOKEN_NOT_YET_VALID',
      `The token is not valid before ${duration(beginsMS - serverMS)} from now (nbf).`,
      clockFix ?? 'Wait, or set the clock that is wrong (NTP).',
    ),
  ];
}

function receiverFindings(claims: Claims, { audienceAskedFor }: Situation): Finding[] {
  const found: Finding[] = [];
  const all = audiences(claims);
  const scope = [audienceAskedFor, ...all].find((audience) => DEFAULT_SUFFIX.test(audience ?? ''));
  if (scope) {
    found.push(
      finding(
        'AUDIENCE_HAS_DEFAULT_SUFFIX',
        `${quote(scope)} is a scope, not an audience.`,
        `Ask for ${quote(scope.replace(DEFAULT_SUFFIX, ''))}.`,
      ),
    );
  }
  const aud = all.find((audience) => otherReceiverOf(audience, claims.iss));
  if (aud !== undefined) {
    const isExchange = otherReceiverOf(aud, claims.iss) === 'exchange';
    found.push(
      finding(
        isExchange ? 'TOKEN_FOR_EXCHANGE' : 'TOKEN_FOR_API_SERVER',
        `The token is for ${quote(aud)}, ${isExchange ? 'to exchange it for a cloud identity' : 'the API server of the cluster'}: whoever receives it can use it there.`,
        "Mount a projected service-account token with an audience of its own, such as 'mongodb', and give its path as tokenFile.",
      ),
    );
  }
  return found;
}

function formFindings(claims: Claims, { header = { kid: '' } }: Situation): Finding[] {
  const found: Finding[] = [];
  if (Array.isArray(claims.aud) && claims.aud.length > 1) {
    found.push(
      finding(
        'AUDIENCES_SEVERAL',
        `The token has several audiences (${namesOf(claims)}); MongoDB wants exactly one.`,
        'Ask for a token with one audience.',
      ),
    );
  }
  if (typeof header.kid !== 'string' || (header.typ ?? 'JWT') !== 'JWT') {
    found.push(
      finding(
        'TOKEN_HEADER',
        `The token's header has the key ID (kid) ${show(header.kid)} and the type (typ) ${show(header.typ)}; MongoDB wants a kid, and no typ but 'JWT'.`,
        'Use another kind of token, or another issuer.',
      ),
    );
  }
  return found;
}

/** The server wants `sub`, whatever names the user. */
function principalFindings(claims: Claims, principalName = 'sub'): Finding[] {
  const name = [principalName, 'sub'].find((claim) => !isText(claimOf(claims, claim)));
  if (name === undefined) return [];
  return [
    finding(
      'SUBJECT_MISSING',
      `The token has no string in the claim ${quote(name)}, which the server takes the user's name from.`,
      `Set "principalName" to one that it has: ${principalsOf(claims)}.`,
    ),
  ];
}

function authorizationFindings(claims: Claims, provider: IdentityProvider): Finding[] {
  const { authorizationClaim: name, useAuthorizationClaim } = provider;
  if (useAuthorizationClaim === false || !name) return [];
  const value = claimOf(claims, name);
  if (isTexts(value)) return [];
  const wrong =
    value === undefined
      ? 'is missing'
      : Array.isArray(value) && value.length === 0
        ? 'is empty'
        : 'is no list of strings';
  return [
    finding(
      'AUTHORIZATION_CLAIM_MISSING',
      `The token's claim ${quote(name)}, which the server takes the roles from, ${wrong}${Object.hasOwn(claims, '_claim_names') ? ' (Entra leaves groups out where they are too many)' : ''}.`,
      `Have the issuer add it, set "authorizationClaim" to one that the token has (${listsOf(claims) || 'none'}), or "useAuthorizationClaim": false and make a user.`,
    ),
  ];
}

type IsBroken = (
  provider: IdentityProvider,
  earlier: readonly IdentityProvider[],
  all: readonly IdentityProvider[],
) => boolean;

const isHuman = ({ supportsHumanFlows }: IdentityProvider) => supportsHumanFlows !== false;

/** The server refuses what breaks one of these, with its test commands on it takes http:// as well. */
const RULES: readonly (readonly [problem: string, isBroken: IsBroken])[] = [
  [
    'the issuer must begin with https://',
    ({ issuer }) => !/^(https:|http:\/\/(127\.|localhost))/.test(issuer),
  ],
  ['authNamePrefix may have only letters, digits, - and _', (one) => !/^[\w-]+$/.test(one.authNamePrefix)],
  ['a clientId is needed, or "supportsHumanFlows": false', (one) => isHuman(one) && !one.clientId],
  [
    'an authorizationClaim is needed, or "useAuthorizationClaim": false',
    (one) => one.useAuthorizationClaim !== false && !one.authorizationClaim,
  ],
  [
    'a matchPattern is needed, because several support human flows',
    (one, _, all) => isHuman(one) && one.matchPattern === undefined && all.filter(isHuman).length > 1,
  ],
  [
    'those with a matchPattern must come first',
    (one, earlier) =>
      one.matchPattern !== undefined && earlier.some(({ matchPattern }) => matchPattern === undefined),
  ],
  [
    'another has the same issuer and audience',
    (one, earlier) =>
      earlier.some(({ issuer, audience }) => issuer === one.issuer && audience === one.audience),
  ],
  [
    'JWKSPollSecs must be the same for one issuer',
    ({ issuer, JWKSPollSecs }, earlier) =>
      earlier.some(
        (one) =>
          one.issuer === issuer &&
          JWKSPollSecs !== undefined &&
          (one.JWKSPollSecs ?? JWKSPollSecs) !== JWKSPollSecs,
      ),
  ],
];

function configFindings(providers: readonly IdentityProvider[]): Finding[] {
  const problems = providers.flatMap((provider, index) =>
    RULES.filter(([, isBroken]) => isBroken(provider, providers.slice(0, index), providers)).map(
      ([problem]) => `[${index}]: ${problem}`,
    ),
  );
  if (problems.length === 0) return [];
  return [
    finding(
      'CONFIG_INVALID',
      `MongoDB refuses this configuration, so the server cannot have it. oidcIdentityProviders${problems.slice(0, 3).join('; ')}.`,
      'Mend it and give it to the server, or see with getParameter what the server has.',
    ),
  ];
}

function differencesFrom(provider: IdentityProvider, claims: Claims, { environment }: Situation): Finding[] {
  const { iss } = claims;
  const issuer = issuerKindOf(iss);
  const wanted = issuerKindOf(provider.issuer);
  const [aud = ''] = audiences(claims);
  const isIssuer = iss === provider.issuer;
  const isAudience = audiences(claims).includes(provider.audience);
  const kinds = `${issuer.kind} ${wanted.kind}`;
  const [from, to] = kinds === 'entra-v1 entra-v2' ? [1, 2] : kinds === 'entra-v2 entra-v1' ? [2, 1] : [];
  const isVersion = from !== undefined && issuer.place === wanted.place;
  const version = `set "requestedAccessTokenVersion" to ${to} in the application's manifest`;
  // A v1 token has the resource that was asked for as its audience, a v2 token the application's client ID.
  const isVersionOfAudience =
    GUID.test(aud) !== GUID.test(provider.audience) &&
    GUID.test(aud) === (issuer.kind === 'entra-v2') &&
    issuer.kind.startsWith('entra');
  if (!isIssuer && !isAudience && isVersion && isVersionOfAudience) {
    return [
      finding(
        `TOKEN_V${from}_FOR_V${to}`,
        `The token is a v${from} token of Entra, with issuer ${show(iss)} and audience ${namesOf(claims)}; the server's provider is for v${to}, with ${quote(provider.issuer)} and ${quote(provider.audience)}.`,
        `Set the provider's issuer and audience to the token's, or ${version}.`,
      ),
    ];
  }
  const found: Finding[] = [];
  if (!isIssuer) {
    const [how, instead] = isVersion
      ? [`a v${from} token of Entra for a v${to} provider`, version]
      : howIssuersDiffer(show(iss).slice(1, -1), issuer, provider.issuer, wanted);
    found.push(
      finding(
        'ISSUER_DIFFERS',
        `The token's issuer is ${show(iss)}, the provider's ${quote(provider.issuer)}: ${how}.`,
        `Set the provider's issuer to ${show(iss)}${instead && `, or ${instead}`}.`,
      ),
    );
  }
  if (!isAudience) {
    const wants = quote(provider.audience);
    const how = isVersionOfAudience
      ? `a ${issuer.kind.slice(-2)} token of Entra has the ${GUID.test(aud) ? "application's client ID, not the resource" : "resource, not the application's client ID"}`
      : howTextsDiffer(aud, provider.audience);
    const instead =
      tokenKindOf(claims, environment).prefix === 'kubernetes'
        ? `, or mount a projected token with the audience ${wants}`
        : issuer.kind === 'entra-v2'
          ? ''
          : `, or ask for ${wants} (audience, TOKEN_RESOURCE)`;
    found.push(
      finding(
        'AUDIENCE_DIFFERS',
        `The token's audience is ${namesOf(claims)}, the provider's ${wants}: ${how}.`,
        DEFAULT_SUFFIX.test(aud)
          ? `Ask for ${wants}, without /.default.`
          : `Set the provider's audience to ${quote(aud)}${instead}.`,
      ),
    );
  }
  return found;
}

function howIssuersDiffer(
  iss: string,
  issuer: IssuerKind,
  wantedIss: string,
  wanted: IssuerKind,
): [how: string, instead: string] {
  const isSameKind =
    issuer.prefix === wanted.prefix && issuer.place !== undefined && wanted.place !== undefined;
  const how = howTextsDiffer(iss, wantedIss);
  if (how !== DIFFERENT || !isSameKind) {
    return [
      how === DIFFERENT && issuer.kind !== wanted.kind ? `${issuer.name}, not ${wanted.name}` : how,
      '',
    ];
  }
  const place = issuer.prefix === 'azure' ? 'tenant' : 'cluster';
  return [
    `another ${place}, ${quote(issuer.place ?? '')}, not ${quote(wanted.place ?? '')}`,
    `use an identity of that ${place}`,
  ];
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
const DIFFERENT = 'they are not the same';

function howTextsDiffer(one: string, other: string): string {
  const butFor = BUT_FOR.find(([, pattern]) => one.replace(pattern, '') === other.replace(pattern, ''));
  if (butFor) return `they differ in ${butFor[0]}`;
  if (one.toLowerCase() === other.toLowerCase()) return 'they differ in upper and lower case';
  return distance(one, other) < 3 ? 'one of them is misspelt' : DIFFERENT;
}

/** The provider that the token was most likely meant for. */
function nearest(claims: Claims, providers: readonly IdentityProvider[]): IdentityProvider | undefined {
  const iss = show(claims.iss).slice(1, -1);
  const [aud = ''] = audiences(claims);
  const far = ({ issuer, audience }: IdentityProvider) =>
    (issuer === iss ? 0 : 1_000 + distance(issuer, iss)) + distance(audience, aud);
  return providers.toSorted((one, other) => far(one) - far(other))[0];
}

/** Levenshtein's, of the first 200 characters. */
function distance(one: string, other: string): number {
  const to = [...other.slice(0, 200)];
  let row = [0, ...to.map((_, index) => index + 1)];
  for (const [above, character] of [...one.slice(0, 200)].entries()) {
    let left = above + 1;
    row = row.map((up, index) => {
      if (index > 0) {
        const diagonal = (row[index - 1] ?? 0) + (character === to[index - 1] ? 0 : 1);
        left = Math.min(left + 1, up + 1, diagonal);
      }
      return left;
    });
  }
  return row.at(-1) ?? 0;
}

function userMissing(claims: Claims, { clientId }: Situation, provider?: IdentityProvider): Finding {
  const [aud] = audiences(claims);
  if (documentDBOfAudience(aud)) {
    return finding(
      'USER_MISSING',
      'The cluster may not have this principal among its users.',
      documentDBUser(claims),
    );
  }
  const subject = claimOf(claims, provider?.principalName ?? 'sub');
  const user = `${provider?.authNamePrefix ?? '<authNamePrefix>'}/${isText(subject) ? subject : '<subject>'}`;
  const client = [clientId, claims.appid, claims.azp].find(isText);
  const isClientMistaken =
    issuerKindOf(claims.iss).prefix === 'azure' && client !== undefined && client !== subject;
  return finding(
    'USER_MISSING',
    `The server ${provider ? 'has' : 'may have'} no user ${quote(user)} in $external: it was not made, or without the prefix (${show(subject)}), in another database${isClientMistaken ? `, or with the client ID (${quote(client)}) instead of the object ID` : ''}.`,
    `${createUser(user)}${provider ? "; if it is there, the server cannot get the issuer's keys" : ''}`,
  );
}

function keysMissing({ iss }: Claims, { header }: Situation): Finding {
  return finding(
    'SERVER_KEYS',
    `The server may not reach ${show(iss)}, or not have its key for this token${header ? ` (kid ${show(header.kid)})` : ''}.`,
    `On the server's host, fetch .well-known/openid-configuration under the issuer and the jwks_uri in it; then db.adminCommand({ oidcRefreshKeys: 1 }).`,
  );
}

function claimOf(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
}

/** Names of the claims that roles could come from. */
function listsOf(claims: Claims): string {
  return Object.keys(claims)
    .filter((name) => name !== 'aud' && isTexts(claims[name]))
    .slice(0, 5)
    .map(quote)
    .join(', ');
}

/** The claims that can name a user. */
function principalsOf(claims: Claims): string {
  return (
    ['sub', 'oid', 'email', 'azp', 'appid']
      .filter((name) => isText(claims[name]))
      .map((name) => `${name} (${show(claims[name])})`)
      .join(', ') || 'none'
  );
}

function show(value: unknown): string {
  return typeof value === 'string' ? quote(value) : value === undefined ? 'missing' : `a ${typeof value}`;
}

function duration(milliseconds: number): string {
  const seconds = Math.round(Math.abs(milliseconds) / 1_000);
  return seconds < 120
    ? `${seconds} s`
    : seconds < 7_200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3_600)} h`;
}
