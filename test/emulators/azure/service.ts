/** What the Azure emulators have in common: a tenant, its identities and the shape of their tokens. */
import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt, type JWTPayload } from 'jose';
import { type HttpEmulator, HttpService, type HttpServiceOptions, type ListenOptions } from '../http.js';
import type { Issuer } from '../issuer.js';

export interface AzureIdentity {
  clientId: string;
  /** The service principal's: `oid` and `sub` of its tokens. */
  objectId: string;
  /** The Azure resource ID; of a system-assigned identity, that of the machine or site. */
  resourceId?: string;
  systemAssigned?: boolean;
}

export interface AzureOptions extends ListenOptions {
  tenantId?: string;
  /** Default: one system-assigned and one user-assigned. */
  identities?: AzureIdentity[];
  /** Default: 3600. */
  lifeSeconds?: number;
  latencyMS?: number;
  /** The `requestedAccessTokenVersion` of the application that is the resource. Default: 1.0. */
  tokenVersion?: '1.0' | '2.0';
  /** Claims that the tokens have besides, or instead: groups, roles, times. */
  claims?: JWTPayload;
  /** The Application ID URIs and client IDs of the tenant's applications. Default: whatever is asked for. */
  resources?: string[];
}

export interface AzureEmulator extends HttpEmulator {
  readonly tenantId: string;
  /** The `iss` of its tokens. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** The variables that point the SDK to it. */
  readonly env: Record<string, string>;
  /** Life of the next token. */
  lifeSeconds: number;
  identities: AzureIdentity[];
  tokenVersion: '1.0' | '2.0';
}

/** Times are those of the token's claims, as strings of seconds since the epoch. */
interface SignedToken {
  token: string;
  notBefore: string;
  expiresOn: string;
}

export const defaultTenantId = '72a0b1c3-5d4e-4f6a-8b9c-0d1e2f3a4b5c';

const scope = '/subscriptions/0b1f6471-1bf0-4dda-aec3-111122223333/resourcegroups/rg1/providers';

export const defaultIdentities: readonly AzureIdentity[] = [
  {
    clientId: 'a1111111-1111-4111-8111-111111111111',
    objectId: 'b1111111-1111-4111-8111-111111111111',
    resourceId: `${scope}/Microsoft.Compute/virtualMachines/vm1`,
    systemAssigned: true,
  },
  {
    clientId: 'a2222222-2222-4222-8222-222222222222',
    objectId: 'b2222222-2222-4222-8222-222222222222',
    resourceId: `${scope}/Microsoft.ManagedIdentity/userAssignedIdentities/app`,
  },
];

const guid = /[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/i;

/** The client ID of the application whose App ID URI is `resource`: the `aud` of its v2 tokens. */
export function applicationId(resource: string): string {
  const inside = guid.exec(resource)?.[0];
  if (inside !== undefined) return inside;
  const hex = createHash('sha256').update(resource.toLowerCase()).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export abstract class AzureService extends HttpService implements AzureEmulator {
  readonly tenantId: string;
  lifeSeconds: number;
  identities: AzureIdentity[];
  tokenVersion: '1.0' | '2.0';
  abstract readonly env: Record<string, string>;
  readonly #issuer: Issuer;
  readonly #claims: JWTPayload | undefined;
  readonly #resources: readonly string[] | undefined;

  constructor(options: AzureOptions, issuer: Issuer, http: HttpServiceOptions = {}) {
    super({ latencyMS: options.latencyMS, ...http });
    this.tenantId = options.tenantId ?? defaultTenantId;
    this.identities = options.identities ?? [...defaultIdentities];
    this.lifeSeconds = options.lifeSeconds ?? 3600;
    this.tokenVersion = options.tokenVersion ?? '1.0';
    this.#issuer = issuer;
    this.#claims = options.claims;
    this.#resources = options.resources;
  }

  get issuer(): string {
    return this.tokenVersion === '1.0'
      ? `https://sts.windows.net/${this.tenantId}/`
      : `https://login.microsoftonline.com/${this.tenantId}/v2.0`;
  }

  get jwksUri(): string {
    return this.#issuer.jwksUri;
  }

  protected get jwks() {
    return this.#issuer.jwks;
  }

  /** What Entra answers where it knows no such resource: AzureAD/microsoft-authentication-library-for-dotnet#3979. */
  protected refusalOf(resource: string): string | undefined {
    if (!this.#resources || this.#resources.includes(resource)) return undefined;
    return `The resource principal named ${resource} was not found in the tenant named ${this.tenantId}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`;
  }

  /**
   * An app-only access token. Claims: learn.microsoft.com/entra/identity-platform/access-token-claims-reference; that
   * page lists `xms_mirid` (the identity's resource ID) for managed identities.
   */
  protected async signToken(resource: string, identity: AzureIdentity): Promise<SignedToken> {
    const common = {
      iss: this.issuer,
      idtyp: 'app',
      oid: identity.objectId,
      sub: identity.objectId,
      tid: this.tenantId,
      uti: randomBytes(16).toString('base64url'),
      rh: `1.${randomBytes(24).toString('base64url')}.`,
      ...(identity.resourceId === undefined ? {} : { xms_mirid: identity.resourceId }),
    };
    const claims =
      this.tokenVersion === '1.0'
        ? {
            ...common,
            aud: resource,
            appid: identity.clientId,
            appidacr: '2',
            idp: `https://sts.windows.net/${this.tenantId}/`,
            ver: '1.0',
          }
        : { ...common, aud: applicationId(resource), azp: identity.clientId, azpacr: '2', ver: '2.0' };
    const token = await this.#issuer.sign({ ...claims, ...this.#claims }, { lifeSeconds: this.lifeSeconds });
    const { nbf = 0, exp = 0 } = decodeJwt(token);
    return { token, notBefore: String(nbf), expiresOn: String(exp) };
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#issuer.close()]);
  }
}

/** The identity that one of the ID parameters names; undefined where none of them is there. */
export function namedIdentity(
  identities: readonly AzureIdentity[],
  query: Record<string, string>,
  parameters: Record<string, 'clientId' | 'objectId' | 'resourceId'>,
): { asked: boolean; identity: AzureIdentity | undefined } {
  const asked = Object.entries(parameters).filter(([name]) => query[name]);
  if (asked.length === 0) return { asked: false, identity: undefined };
  const identity = identities.find((candidate) =>
    asked.every(([name, key]) => candidate[key]?.toLowerCase() === query[name]?.toLowerCase()),
  );
  return { asked: true, identity };
}
