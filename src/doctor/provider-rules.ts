// What the server wants of its own configuration.

import { type Finding, when } from './finding.js';
import type { IdentityProvider } from './server-config.js';

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

export function configFindings(providers: readonly IdentityProvider[]): Finding[] {
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
