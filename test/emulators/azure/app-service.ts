/**
 * The managed-identity endpoint of App Service, Functions and Container Apps.
 *
 * Requests and responses: learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference".
 * What the SDK sends is in msal-node's `client/ManagedIdentitySources/AppService.ts`: `client_id`, `mi_res_id`, and
 * `object_id` where the document says `principal_id`.
 */
import { randomUUID } from 'node:crypto';
import { type Answer, json, type RecordedRequest } from '../http.js';
import { startIssuer } from '../issuer.js';
import {
  type AzureEmulator,
  type AzureIdentity,
  type AzureOptions,
  AzureService,
  namedIdentity,
} from './service.js';

const path = '/msi/token';

const identityParameters = {
  client_id: 'clientId',
  object_id: 'objectId',
  principal_id: 'objectId',
  mi_res_id: 'resourceId',
} as const;

class AppService extends AzureService {
  readonly #secret = randomUUID().replaceAll('-', '').toUpperCase();

  get env(): Record<string, string> {
    return { IDENTITY_ENDPOINT: `${this.url}${path}`, IDENTITY_HEADER: this.#secret };
  }

  protected isTokenRequest(request: RecordedRequest): boolean {
    return request.path === path;
  }

  protected async answer(request: RecordedRequest, { emptyToken }: { emptyToken: boolean }): Promise<Answer> {
    if (request.path !== path) return failure(404, 'Not found');
    // The document says only that the header is required, so these two statuses are a choice.
    const secret = request.headers['x-identity-header'];
    if (secret === undefined) return failure(401, 'X-IDENTITY-HEADER is missing.');
    if (secret !== this.#secret) return failure(403, 'X-IDENTITY-HEADER is not valid.');
    if (request.query['api-version'] !== '2019-08-01')
      return failure(400, 'The api-version is not supported.');
    const resource = request.query.resource;
    if (!resource) return failure(400, 'The resource parameter is required.');
    const identity = this.#choose(request.query);
    if (typeof identity === 'string') return failure(400, identity);
    const { token, notBefore, expiresOn } = await this.signToken(resource, identity);
    return json(200, {
      access_token: emptyToken ? '' : token,
      client_id: identity.clientId,
      expires_on: expiresOn,
      not_before: notBefore,
      resource,
      token_type: 'Bearer',
    });
  }

  protected errorAnswer(status: number): Answer {
    return status === 400
      ? failure(400, notAssigned)
      : failure(status, 'An unexpected error occured while fetching the AAD Token.');
  }

  /** Without a choice it is the system-assigned one, or none at all, however many others there are. */
  #choose(query: Record<string, string>): AzureIdentity | string {
    const { asked, identity } = namedIdentity(this.identities, query, identityParameters);
    if (asked) return identity ?? notAssigned;
    return (
      this.identities.find(({ systemAssigned }) => systemAssigned) ??
      'Unable to load the proper Managed Identity.'
    );
  }
}

// Azure-Samples/azure-search-openai-demo#2148.
const notAssigned =
  'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.';

// The members that msal-node's `response/ManagedIdentityTokenResponse.ts` reads for App Service.
function failure(statusCode: number, message: string): Answer {
  return json(statusCode, { statusCode, message, correlationId: randomUUID() });
}

export async function startAppService(options: AzureOptions = {}): Promise<AzureEmulator> {
  const service = new AppService(options, await startIssuer());
  await service.listen(options);
  return service;
}
