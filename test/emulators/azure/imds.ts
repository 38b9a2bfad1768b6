/**
 * Azure Instance Metadata Service, the managed-identity token endpoint.
 *
 * Requests and responses: learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
 * sections "Get a token using HTTP" and "Error handling"; the parameter names also in msal-node's
 * `client/ManagedIdentitySources/Imds.ts` and `BaseManagedIdentitySource.ts`.
 */
import { type Answer, type Headers, json, type RecordedRequest } from '../http.js';
import { startIssuer } from '../issuer.js';
import {
  type AzureEmulator,
  type AzureIdentity,
  type AzureOptions,
  AzureService,
  namedIdentity,
} from './service.js';

// What the service was seen to call itself: Azure/azure-sdk-for-net#37278.
const headers: Headers = { server: 'IMDS/150.870.65.1325' };

const identityParameters = {
  client_id: 'clientId',
  object_id: 'objectId',
  msi_res_id: 'resourceId',
  mi_res_id: 'resourceId',
} as const;

class Imds extends AzureService {
  get env(): Record<string, string> {
    return { AZURE_POD_IDENTITY_AUTHORITY_HOST: this.url };
  }

  /** The probe of `DefaultAzureCredential` has no `Metadata` header: it is none. */
  protected isTokenRequest(request: RecordedRequest): boolean {
    return isTokenPath(request.path) && request.headers.metadata === 'true';
  }

  protected async answer(request: RecordedRequest, { emptyToken }: { emptyToken: boolean }): Promise<Answer> {
    const refusal = refuse(request);
    if (refusal !== undefined) return refusal;
    const identity = this.#choose(request.query);
    if (typeof identity === 'string') return invalidRequest(identity);
    const resource = request.query.resource as string;
    const unknown = this.refusalOf(resource);
    if (unknown !== undefined) {
      return json(400, { error: 'invalid_resource', error_description: `AADSTS500011: ${unknown}` });
    }
    const { token, notBefore, expiresOn } = await this.signToken(resource, identity);
    return json(200, {
      access_token: emptyToken ? '' : token,
      client_id: identity.clientId,
      expires_in: String(this.lifeSeconds),
      expires_on: expiresOn,
      ext_expires_in: String(this.lifeSeconds),
      not_before: notBefore,
      resource,
      token_type: 'Bearer',
    });
  }

  /** The document's "Error handling" gives the statuses; the body of 429 is as in Azure/azure-sdk-for-net#39574. */
  protected errorAnswer(status: number): Answer {
    switch (status) {
      case 400:
        return invalidRequest('Identity not found');
      case 404:
        return json(404, { error: 'not_found', error_description: 'IMDS endpoint is updating.' });
      case 410:
        return json(410, { error: 'gone', error_description: 'IMDS is going through updates.' });
      case 429:
        return invalidRequest('Temporarily throttled, too many requests', 429);
      default:
        return json(status, {
          error: 'unknown',
          error_description: 'Failed to retrieve token from the Active directory.',
        });
    }
  }

  /** The default follows the FAQ of the managed identities overview: system-assigned, else the only user-assigned one. */
  #choose(query: Record<string, string>): AzureIdentity | string {
    const { asked, identity } = namedIdentity(this.identities, query, identityParameters);
    if (asked) return identity ?? 'Identity not found';
    const chosen = this.identities.find(({ systemAssigned }) => systemAssigned);
    if (chosen !== undefined) return chosen;
    const [only, ...others] = this.identities;
    if (only === undefined) return 'Identity not found';
    if (others.length === 0) return only;
    return 'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request';
  }
}

function refuse({ method, path, headers, query }: RecordedRequest): Answer | undefined {
  if (!isTokenPath(path)) return json(404, { error: 'Not found' });
  // learn.microsoft.com/azure/virtual-machines/instance-metadata-service, "Security and authentication": the header is
  // required, and X-Forwarded-For must not be there. The description is in the token document's table.
  if (headers.metadata !== 'true' || headers['x-forwarded-for'] !== undefined) {
    return json(400, {
      error: 'bad_request_102',
      error_description: 'Required metadata header not specified',
    });
  }
  if (method !== 'GET') return json(405, { error: 'Method not allowed' });
  if (!query['api-version']) {
    return json(400, { error: 'Bad request. api-version was not specified in the request' });
  }
  if (!query.resource) return invalidRequest('Required audience parameter not specified');
  return undefined;
}

// The SDK adds a slash when AZURE_POD_IDENTITY_AUTHORITY_HOST is set: msal-common's UrlString.
function isTokenPath(path: string): boolean {
  return path === '/metadata/identity/oauth2/token' || path === '/metadata/identity/oauth2/token/';
}

function invalidRequest(description: string, status = 400): Answer {
  return json(status, { error: 'invalid_request', error_description: description });
}

export async function startAzureImds(options: AzureOptions = {}): Promise<AzureEmulator> {
  const service = new Imds(options, await startIssuer(), { headers });
  await service.listen(options);
  return service;
}
