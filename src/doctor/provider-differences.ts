// How a token differs from what an identity provider of the server's configuration wants.

import { audiences, type Claims, namesOf, quote } from '../jwt.js';
import { show } from './claims.js';
import { type Finding, finding, type Situation, when } from './finding.js';
import { issuerKindOf, tokenKindOf, versionOf } from './issuers.js';
import type { IdentityProvider } from './server-config.js';
import { DEFAULT_SUFFIX, receiverFindings } from './token-findings.js';

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The provider that the token was most likely meant for. */
export function nearest(
  { iss, aud }: Claims,
  providers: readonly IdentityProvider[],
): IdentityProvider | undefined {
  const { place } = issuerKindOf(iss);
  const far = ({ issuer, audience }: IdentityProvider) =>
    (issuer === iss ? 0 : issuerKindOf(issuer).place === place ? 1_000 : 2_000) +
    distance(issuer, String(iss)) +
    distance(audience, String(aud));
  return providers.toSorted((one, other) => far(one) - far(other))[0];
}

export function differencesFrom(
  provider: IdentityProvider,
  claims: Claims,
  { environment }: Situation,
): Finding[] {
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

/** How many characters of the longer text are between what both begin with and what both end with. */
function distance(one: string, other: string): number {
  const [short, long] = one.length < other.length ? [one, other] : [other, one];
  let start = 0;
  while (start < short.length && short[start] === long[start]) start += 1;
  let end = 0;
  while (end < short.length - start && short.at(-1 - end) === long.at(-1 - end)) end += 1;
  return long.length - start - end;
}
