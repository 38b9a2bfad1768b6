// The configuration of a server that would accept a token, as data to print.

import { documentDBOfAudience } from '../documentdb.js';
import { audiences, type Claims, oneLine } from '../jwt.js';
import { otherReceiverOf } from '../other-receivers.js';
import { isText, isTexts } from './claims.js';
import type { Situation } from './finding.js';
import { type IssuerKind, tokenKindOf } from './issuers.js';
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

/** The server configuration that would accept this token. */
export function serverAdvice(claims: Claims, { environment }: Situation): Advice {
  const [aud] = audiences(claims);
  if (documentDBOfAudience(aud)) {
    return { atlas: [], oidcIdentityProviders: [], commands: [], notes: [documentDBUser(claims)] };
  }
  const issuerKind = tokenKindOf(claims, environment);
  const { prefix } = issuerKind;
  const issuer = nameOr('<issuer>', claims.iss);
  const isForOthers = otherReceiverOf(`${aud}`, claims.iss) !== undefined;
  const audience = isForOthers ? 'mongodb' : nameOr('<audience>', aud);
  const subject = nameOr('<subject>', claims.sub);
  const list = ['roles', 'groups'].find((name) => isTexts(claims[name]));
  return {
    atlas: [
      `Federation Management Console, Identity Providers, Workload Identity Provider: Issuer URI ${issuer}, Audience ${audience}, Authorization Type User ID.`,
      'Connect Organizations: that of the project.',
      `Database Access, Add New Database User or Group, Federated Auth: ${subject}.`,
    ],
    oidcIdentityProviders: [
      { issuer, audience, authNamePrefix: prefix, useAuthorizationClaim: false, supportsHumanFlows: false },
    ],
    commands: [
      createUser(`${prefix}/${subject}`),
      ...(list ? (claims[list] as string[]) : []).slice(0, 3).map((role) => createRole(`${prefix}/${role}`)),
    ],
    notes: [
      ...(isForOthers ? ['The audience is that of a token to be projected: this one is for others.'] : []),
      ...notesOn(issuerKind, claims),
      'The readWrite role is an example.',
      ...(list
        ? [
            `createRole, instead of createUser, goes with "authorizationClaim": "${list}" (Atlas: Group Membership).`,
          ]
        : []),
    ],
  };
}

function notesOn(issuerKind: IssuerKind, { appid, azp, email, iss }: Claims): string[] {
  switch (issuerKind.prefix) {
    case 'azure':
      return [
        `${issuerKind.kind}. ${otherVersion(issuerKind)}`,
        `sub is the object ID of the service principal, not the client ID ${nameOr('', appid ?? azp)}.`,
      ];
    case 'gcp':
      return [
        `sub is the unique ID of the service account.${email ? ` With "principalName": "email" the user is gcp/${nameOr('', email)}.` : ''}`,
      ];
    default:
      return [
        `The server must reach ${nameOr('<issuer>', iss)}/.well-known/openid-configuration and its jwks_uri.`,
      ];
  }
}

/** The mongosh command. */
export function createUser(user: string): string {
  return command('$external', `createUser({ user: ${literal(user)}`);
}

/** The same, for a role that a claim names. */
export function createRole(role: string): string {
  return command('admin', `createRole({ role: ${literal(role)}, privileges: []`);
}

/** The role is an example. */
function command(database: string, what: string): string {
  return `db.getSiblingDB("${database}").${what}, roles: [{ role: "readWrite", db: "test" }] })`;
}

/** Whom to add where there is no provider to configure. */
export function documentDBUser({ oid, sub }: Claims): string {
  return `Azure DocumentDB: turn on Microsoft Entra ID for the cluster, and add the identity to its users by its object ID, ${nameOr('<object ID>', oid ?? sub)}.`;
}

/** In Azure's public cloud. */
export function otherVersion({ kind, place = '' }: IssuerKind): string {
  const tenant = oneLine(place);
  return `The other version of tokens (requestedAccessTokenVersion in the application's manifest) has the issuer ${kind === 'Entra v1' ? `https://login.microsoftonline.com/${tenant}/v2.0` : `https://sts.windows.net/${tenant}/`} and another audience.`;
}

/** Longer than any name, since half a name is none. */
function nameOr(placeholder: string, value: unknown): string {
  return isText(value) ? oneLine(value, 1_000) : placeholder;
}

function literal(name: string): string {
  return JSON.stringify(nameOr('', name));
}
