// Whether the server takes the token; and where it does not, why.

import type { MongoClient } from 'mongodb';
import { OIDCCallbackError } from '../errors.js';
import { type Claims, quote } from '../jwt.js';
import { scrub, textOf } from '../secrets.js';
import type { Workload } from '../workload.js';
import { createRole, documentDBUser } from './advice.js';
import { causesOf, likelyCauses } from './causes.js';
import type { Situation } from './finding.js';
import { CheckFailed, type Outcome, ok } from './report.js';
import type { IdentityProvider } from './server-config.js';
import { fatalFindings } from './token-step.js';

const AUTHENTICATION_FAILED = 18;
const MECHANISM_UNAVAILABLE = 334;
/** The failures that come before the server looks at the token; others have an `ERR_OIDC_` code. */
const UNJUDGED = new Set(['MECHANISM_NOT_OFFERED', 'AUTHENTICATION_NOT_REACHED']);

/** What a refusal is explained by. */
export interface Presented {
  readonly claims: Claims;
  readonly situation: Situation;
  readonly providers: readonly IdentityProvider[] | undefined;
  readonly workload: Workload;
}

export type Status = Record<
  'authenticatedUsers' | 'authenticatedUserRoles' | 'authenticatedUserPrivileges',
  unknown
>;

export async function authenticate(
  client: Pick<MongoClient, 'db' | 'close'>,
  { claims, situation, providers, workload }: Presented,
): Promise<[Outcome, Status]> {
  try {
    const { authInfo } = await client.db('admin').command({ connectionStatus: 1, showPrivileges: true });
    const users = (authInfo.authenticatedUsers as { user: string }[]).map(({ user }) => user);
    return [ok(`The server takes the token: this is ${users.join(', ')}`, { users }), authInfo];
  } catch (error) {
    if (error instanceof OIDCCallbackError) throw error;
    const { code } = Object(error) as { code?: unknown };
    if (code === MECHANISM_UNAVAILABLE) {
      throw new CheckFailed({
        code: 'MECHANISM_NOT_OFFERED',
        summary: 'The server does not offer MONGODB-OIDC.',
        fix: "Atlas: a dedicated cluster of 7.0 or later, with a Workload Identity Provider connected to its project. Enterprise 7.0 or later, on Linux: setParameter.authenticationMechanisms: 'MONGODB-OIDC'. MongoDB Community has none.",
      });
    }
    if (code !== AUTHENTICATION_FAILED) {
      throw new CheckFailed({
        code: 'AUTHENTICATION_NOT_REACHED',
        summary: `The server did not come to judge the token: ${scrub(textOf(error))}`,
        fix: 'Look at the hosts above, at replicaSet= and directConnection= in the connection string, and at the log of the server.',
      });
    }
    const refused = 'The server refuses the token (code 18, Authentication failed), and does not say why.';
    if (workload.trusted.documentDB) {
      throw new CheckFailed({
        code: 'DOCUMENTDB_USER_MISSING',
        summary: refused,
        fix: documentDBUser(claims),
      });
    }
    const [cause, ...others] = providers
      ? causesOf(claims, providers, situation)
      : fatalFindings(claims, situation).slice(0, 1);
    if (cause && others.length === 0) throw new CheckFailed(cause);
    throw new CheckFailed(
      {
        code: 'AUTHENTICATION_FAILED',
        summary: refused,
        fix: cause
          ? 'Each of these is enough for it:'
          : 'Compare the token with the configuration of the server: --server-config does it, with the oidcIdentityProviders of the server as JSON. It may be, the most likely first:',
      },
      { causes: cause ? [cause, ...others] : likelyCauses(claims, situation) },
    );
  } finally {
    await client.close();
  }
}

/** Whether the server came to look at the token. */
export function wasJudged({ status, code = '' }: Outcome): boolean {
  if (status === 'ok') return true;
  return status === 'failed' && !UNJUDGED.has(code) && !code.startsWith('ERR_OIDC_');
}

export function judgeRoles(status: Status): [Outcome, true] {
  const roles = list(status.authenticatedUserRoles).map(({ role, db }) => `${role}@${db}`);
  const privileges = status.authenticatedUserPrivileges;
  if (Array.isArray(privileges) && privileges.length === 0) {
    // Names of an authorization claim's values have the prefix already.
    const wanted = list(status.authenticatedUserRoles).map(({ role }) => `${role}`);
    throw new CheckFailed({
      code: 'NO_PRIVILEGES',
      summary: `The server takes the token and grants it nothing: ${wanted.length > 0 ? `the role ${wanted.map(quote).join(', ')} does not exist, or is empty` : 'this user has no role'}.`,
      fix:
        wanted.length > 0
          ? `${createRole(`${wanted[0]}`)} (the prefix is part of the name)`
          : 'Grant it one: db.getSiblingDB("$external").grantRolesToUser.',
    });
  }
  return [ok(`Roles: ${roles.join(', ') || 'none are named'}`, { roles }), true];
}

function list(value: unknown): { role?: unknown; db?: unknown }[] {
  return Array.isArray(value) ? value : [];
}
