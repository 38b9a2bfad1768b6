// The configuration of a server that would accept a token, as data to print.

import { documentDBOfAudience } from '../documentdb.js';
import { audiences, type Claims, oneLine } from '../jwt.js';
import type { Situation } from './causes.js';
import { tokenKindOf } from './issuers.js';
import type { IdentityProvider } from './server-config.js';

/** What to set up. */
export interface Advice {
  readonly atlas: readonly string[];
  /** The value of the parameter, ready for JSON. */
  readonly oidcIdentityProviders: readonly IdentityProvider[];
  /** For mongosh. */
  readonly commands: readonly string[];
  readonly notes: readonly string[];
}

/** Longer than any name that is one. */
const LONGEST_NAME = 1_000;

/** The server configuration that would accept this token. */
export function serverAdvice(claims: Claims, { environment }: Situation): Advice {
  const [audience] = audiences(claims);
  if (documentDBOfAudience(audience)) {
    return { atlas: [], oidcIdentityProviders: [], commands: [], notes: [documentDBUser(claims)] };
  }
  const { kind, prefix, place } = tokenKindOf(claims, environment);
  const issuer = nameOr('<issuer>', claims.iss);
  const aud = nameOr('<audience>', audience);
  const subject = nameOr('<subject>', claims.sub);
  const [claim, values] = rolesOf(claims) ?? [];
  const notes =
    kind === 'entra-v1' || kind === 'entra-v2'
      ? [
          `This is a ${kind.slice(-2)} token. "requestedAccessTokenVersion" in the application's manifest decides, and changes issuer (${otherEntraIssuer(kind, place)}) and audience.`,
          `'sub' is the object ID of the identity's service principal, not its client ID (${nameOr('appid', claims.appid ?? claims.azp)}).`,
        ]
      : kind === 'google'
        ? [
            `'sub' is the unique ID of the service account.${typeof claims.email === 'string' ? ` With "principalName": "email" the user is "${prefix}/${oneLine(claims.email)}".` : ''}`,
          ]
        : prefix === 'kubernetes'
          ? [`The server must reach ${issuer}/.well-known/openid-configuration and the jwks_uri in it.`]
          : [];
  if (claim) {
    notes.push(
      `For roles by the token's '${claim}': "authorizationClaim": "${claim}" instead of useAuthorizationClaim (Atlas: Authorization Type "Group Membership"), and createRole instead of createUser.`,
    );
  }
  return {
    atlas: [
      `Federation Management Console, Identity Providers, Set Up Identity Provider, Workload Identity Provider: Issuer URI ${issuer}, Audience ${aud}, Authorization Type "User ID", User Claim "sub".`,
      'Connect Organizations: connect it to the organization of the project.',
      `Database Access, Add New Database User or Group, Federated Auth: this provider, and the user identifier ${subject}.`,
    ],
    oidcIdentityProviders: [
      {
        issuer,
        audience: aud,
        authNamePrefix: prefix,
        useAuthorizationClaim: false,
        supportsHumanFlows: false,
      },
    ],
    commands: [
      createUser(`${prefix}/${subject}`),
      ...(values ?? []).slice(0, 3).map((value) => createRole(`${prefix}/${value}`)),
    ],
    notes,
  };
}

/** The mongosh command; its role is an example. */
export function createUser(user: string): string {
  return `db.getSiblingDB("$external").createUser({ user: ${literal(user)}, roles: [{ role: "readWrite", db: "test" }] })`;
}

function createRole(role: string): string {
  return `db.getSiblingDB("admin").createRole({ role: ${literal(role)}, privileges: [], roles: [{ role: "readWrite", db: "test" }] })`;
}

/** Who is to be added where no provider can be configured. */
export function documentDBUser({ oid, sub }: Claims): string {
  return `Azure DocumentDB has no identity providers to configure: turn on Microsoft Entra ID for the cluster, and add the principal with the object ID ${nameOr('oid', oid ?? sub)} (principalType ServicePrincipal) to its users.`;
}

/** What the other version of this tenant's tokens have, in Azure's public cloud. */
export function otherEntraIssuer(kind: 'entra-v1' | 'entra-v2', tenant = '<tenant>'): string {
  return kind === 'entra-v1'
    ? `https://login.microsoftonline.com/${tenant}/v2.0`
    : `https://sts.windows.net/${tenant}/`;
}

/** The claim that holds groups or roles, where one does. */
function rolesOf(claims: Claims): [claim: string, values: string[]] | undefined {
  for (const claim of ['roles', 'groups']) {
    const value = claims[claim];
    if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string')) {
      return [claim, value];
    }
  }
  return undefined;
}

function nameOr(placeholder: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? oneLine(value, LONGEST_NAME) : placeholder;
}

function literal(name: string): string {
  return JSON.stringify(oneLine(name, LONGEST_NAME));
}
