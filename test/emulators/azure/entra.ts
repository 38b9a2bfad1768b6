/**
 * Microsoft Entra ID over HTTPS: discovery, and the token endpoint for federated client assertions.
 *
 * The grant: learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, "Third case: Access token
 * request with a federated credential". Errors: learn.microsoft.com/entra/identity-platform/reference-error-codes.
 */
import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { type Certificates, createCertificates } from '../certificates.js';
import { type Answer, json, type RecordedRequest } from '../http.js';
import { type Issuer, startIssuer } from '../issuer.js';
import { createTokenDirectory, type KubernetesTokens } from '../kubernetes.js';
import { redirectEnv } from '../redirect.js';
import { type AzureEmulator, type AzureOptions, AzureService } from './service.js';

/** A federated identity credential, configured on every identity. */
export interface Federation {
  issuer: string;
  jwksUri: string;
  subject: string;
  /** Default: `api://AzureADTokenExchange`. */
  audience?: string;
}

export interface EntraOptions extends AzureOptions {
  /** Without it, the emulator makes a token directory of its own and trusts that (`tokens`). */
  federation?: Federation[];
}

export interface EntraEmulator extends AzureEmulator {
  /** CA of its certificate, for a client in this process. */
  readonly certificates: Certificates;
  /** The cluster that it trusts, where `federation` was not given. */
  readonly tokens: KubernetesTokens | undefined;
}

const publicHost = 'login.microsoftonline.com';
const exchangeAudience = 'api://AzureADTokenExchange';
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

class Entra extends AzureService implements EntraEmulator {
  readonly certificates: Certificates;
  readonly tokens: KubernetesTokens | undefined;
  readonly #federation: readonly Federation[];

  constructor(
    options: EntraOptions,
    issuer: Issuer,
    certificates: Certificates,
    tokens: KubernetesTokens | undefined,
  ) {
    super(options, issuer, { tls: certificates });
    this.certificates = certificates;
    this.tokens = tokens;
    this.#federation =
      options.federation ??
      (tokens ? [{ issuer: tokens.issuer, jwksUri: tokens.jwksUri, subject: tokens.subject }] : []);
  }

  /** As the webhook of AKS sets them; the public host leads here through the redirect hook. */
  get env(): Record<string, string> {
    const identity = this.identities.find(({ systemAssigned }) => !systemAssigned) ?? this.identities[0];
    return {
      AZURE_CLIENT_ID: identity?.clientId ?? '',
      AZURE_TENANT_ID: this.tenantId,
      AZURE_AUTHORITY_HOST: `https://${publicHost}/`,
      ...(this.tokens ? { AZURE_FEDERATED_TOKEN_FILE: this.tokens.path } : {}),
      NODE_EXTRA_CA_CERTS: this.certificates.caFile,
      ...redirectEnv({ [`${publicHost}:443`]: `127.0.0.1:${this.port}` }),
    };
  }

  protected isTokenRequest(request: RecordedRequest): boolean {
    return request.path.endsWith('/oauth2/v2.0/token');
  }

  protected async answer(request: RecordedRequest, { emptyToken }: { emptyToken: boolean }): Promise<Answer> {
    if (request.path === '/common/discovery/instance') return instanceDiscovery();
    const [, tenant = '', ...rest] = request.path.split('/');
    const endpoint = rest.join('/');
    if (!endpoints.has(endpoint)) return { status: 404, body: '' };
    if (tenant.toLowerCase() !== this.tenantId.toLowerCase()) {
      return failure(400, 'invalid_request', 90002, [
        `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct`,
        'cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for',
        'the tenant.',
      ]);
    }
    if (endpoint === 'v2.0/.well-known/openid-configuration') return this.#configuration(request);
    if (endpoint === 'discovery/v2.0/keys') return json(200, this.jwks);
    return this.#token(request, emptyToken);
  }

  protected errorAnswer(status: number): Answer {
    if (status === 429) {
      return failure(429, 'temporarily_unavailable', 90055, ['The request has been throttled.']);
    }
    return status >= 500
      ? failure(status, 'temporarily_unavailable', 90033, [
          'A transient error has occurred. Please try again.',
        ])
      : failure(status, 'invalid_request', 9002313, ['Invalid request. Request is malformed or invalid.']);
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.tokens?.close()]);
    this.certificates.close();
  }

  /** The members that msal-common's `authority/OpenIdConfigResponse.ts` wants; its issuer check accepts the public host. */
  #configuration(request: RecordedRequest): Answer {
    const base = `https://${request.headers.host}/${this.tenantId}`;
    return json(200, {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
      subject_types_supported: ['pairwise'],
      id_token_signing_alg_values_supported: ['RS256'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      issuer: `https://${publicHost}/${this.tenantId}/v2.0`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    });
  }

  async #token(request: RecordedRequest, emptyToken: boolean): Promise<Answer> {
    if (request.method !== 'POST') {
      return failure(400, 'invalid_request', 900561, ['The endpoint only accepts POST requests.']);
    }
    const form = new URLSearchParams(request.body);
    const clientId = form.get('client_id') ?? '';
    if (form.get('grant_type') !== 'client_credentials') {
      return failure(400, 'unsupported_grant_type', 70003, [
        `The app requested an unsupported grant type '${form.get('grant_type') ?? ''}'.`,
      ]);
    }
    const identity = this.identities.find(
      (candidate) => candidate.clientId.toLowerCase() === clientId.toLowerCase(),
    );
    if (identity === undefined) {
      return failure(400, 'unauthorized_client', 700016, [
        `Application with identifier '${clientId}' was not found in the directory '${this.tenantId}'. This can happen if`,
        'the application has not been installed by the administrator of the tenant or consented to by any user in the',
        'tenant. You may have sent your authentication request to the wrong tenant.',
      ]);
    }
    const scope = form.get('scope') ?? '';
    if (!scope.endsWith('/.default')) {
      return failure(400, 'invalid_scope', 1002012, [
        `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with`,
        '/.default suffixed to the resource identifier (application ID URI).',
      ]);
    }
    const assertion = form.get('client_assertion');
    if (assertion === null || form.get('client_assertion_type') !== assertionType) {
      return failure(401, 'invalid_client', 7000218, [
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
      ]);
    }
    const refusal = await this.#verify(assertion);
    if (refusal !== undefined) return refusal;
    const resource = scope.slice(0, -'/.default'.length);
    const unknown = this.refusalOf(resource);
    if (unknown !== undefined) return failure(400, 'invalid_resource', 500011, [unknown]);
    const { token } = await this.signToken(resource, identity);
    return json(200, {
      token_type: 'Bearer',
      expires_in: this.lifeSeconds,
      ext_expires_in: this.lifeSeconds,
      access_token: emptyToken ? '' : token,
    });
  }

  /** Issuer, subject and audience must match exactly, case included. */
  async #verify(assertion: string): Promise<Answer | undefined> {
    let claims: JWTPayload;
    try {
      claims = decodeJwt(assertion);
    } catch {
      return failure(401, 'invalid_client', 50027, ['JWT token is invalid or malformed.']);
    }
    const help =
      'Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation';
    const trusted = this.#federation.filter(({ issuer }) => issuer === claims.iss);
    if (trusted.length === 0) {
      return failure(400, 'invalid_request', 70021, [
        'No matching federated identity record found for presented assertion.',
        `Assertion Issuer: '${claims.iss}'. Assertion Subject: '${claims.sub}'. Assertion Audience: '${claims.aud}'.`,
        'https://learn.microsoft.com/entra/workload-id/workload-identity-federation',
      ]);
    }
    const match = trusted.find(({ subject }) => subject === claims.sub);
    if (match === undefined) {
      return failure(401, 'invalid_client', 700213, [
        `No matching federated identity record found for presented assertion subject '${claims.sub}'. ${help}`,
      ]);
    }
    if (![claims.aud].flat().includes(match.audience ?? exchangeAudience)) {
      return failure(401, 'invalid_client', 700212, [
        `No matching federated identity record found for presented assertion audience '${claims.aud}'. ${help}`,
      ]);
    }
    try {
      await jwtVerify(assertion, createRemoteJWKSet(new URL(match.jwksUri)));
      return undefined;
    } catch (error) {
      if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) {
        return failure(401, 'invalid_client', 700024, [
          'Client assertion is not within its valid time range.',
        ]);
      }
      return failure(401, 'invalid_client', 700027, ['Client assertion failed signature validation.']);
    }
  }
}

const endpoints = new Set([
  'v2.0/.well-known/openid-configuration',
  'discovery/v2.0/keys',
  'oauth2/v2.0/token',
]);

/** As in msal-common's `authority/CloudInstanceDiscoveryResponse.ts`; it trusts a host that the list does not name. */
function instanceDiscovery(): Answer {
  return json(200, {
    tenant_discovery_endpoint: `https://${publicHost}/common/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [
      {
        preferred_network: publicHost,
        preferred_cache: 'login.windows.net',
        aliases: [publicHost, 'login.windows.net', 'login.microsoft.com', 'sts.windows.net'],
      },
    ],
  });
}

/** The shape of microsoft/Agents#202; the status and `error` of each code as reported with it. */
function failure(status: number, error: string, code: number, sentences: string[]): Answer {
  const traceId = randomUUID();
  const correlationId = randomUUID();
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`;
  return json(status, {
    error,
    error_description: `AADSTS${code}: ${sentences.join(' ')} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id: traceId,
    correlation_id: correlationId,
    error_uri: `https://${publicHost}/error?code=${code}`,
  });
}

export async function startEntra(options: EntraOptions = {}): Promise<EntraEmulator> {
  const [issuer, certificates, tokens] = await Promise.all([
    startIssuer(),
    createCertificates([publicHost]),
    options.federation ? undefined : createTokenDirectory({ audience: exchangeAudience }),
  ]);
  const service = new Entra(options, issuer, certificates, tokens);
  await service.listen(options);
  return service;
}
