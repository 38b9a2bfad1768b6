// Azure DocumentDB (Cosmos DB for MongoDB vCore): whom its tokens are for, and which hosts are its own.

import { isAllowedHost } from './hosts.js';

/** What one of Azure's clouds knows DocumentDB by. */
export interface AzureDocumentDB {
  /** The resource to ask Entra's token for. */
  readonly audience: string;
  /** For `ALLOWED_HOSTS`, whose type this is, though frozen: the names under its suffix, and nothing wider. */
  readonly allowedHosts: string[];
}

/**
 * Azure DocumentDB in Azure's three clouds. `workloadIdentity` recognises its hosts by itself; this is for
 * those who make client options of their own. The audiences of the sovereign clouds are those of Azure's other
 * open-source databases, as Azure CLI has them: not verified for DocumentDB.
 *
 * @example
 * ```ts
 * import { MongoClient } from 'mongodb';
 * import { AZURE_DOCUMENTDB, AzureManagedIdentityCallback } from 'mongodb-workload-identity/azure';
 *
 * const { audience, allowedHosts } = AZURE_DOCUMENTDB.public;
 * const client = new MongoClient('mongodb+srv://orders.global.mongocluster.cosmos.azure.com/?retryWrites=false', {
 *   authMechanism: 'MONGODB-OIDC',
 *   authMechanismProperties: {
 *     OIDC_CALLBACK: new AzureManagedIdentityCallback({ audience }),
 *     ALLOWED_HOSTS: allowedHosts,
 *   },
 * });
 * ```
 */
export const AZURE_DOCUMENTDB: Readonly<Record<'public' | 'usGovernment' | 'china', AzureDocumentDB>> =
  Object.freeze({
    public: cloud('https://ossrdbms-aad.database.windows.net', '*.mongocluster.cosmos.azure.com'),
    usGovernment: cloud('https://ossrdbms-aad.database.usgovcloudapi.net', '*.mongocluster.cosmos.azure.us'),
    china: cloud('https://ossrdbms-aad.database.chinacloudapi.cn', '*.mongocluster.cosmos.azure.cn'),
  });

/** The cloud whose DocumentDB this host belongs to, if any. */
export function documentDBOfHost(host: string): AzureDocumentDB | undefined {
  return Object.values(AZURE_DOCUMENTDB).find(({ allowedHosts }) => isAllowedHost(host, allowedHosts));
}

/** The cloud whose DocumentDB takes tokens for this audience, if any. */
export function documentDBOfAudience(audience: string | undefined): AzureDocumentDB | undefined {
  const resource = audience?.replace(/\/$/, '').toLowerCase();
  return Object.values(AZURE_DOCUMENTDB).find((cloud) => cloud.audience === resource);
}

function cloud(audience: string, pattern: string): AzureDocumentDB {
  return Object.freeze({ audience, allowedHosts: Object.freeze([pattern]) as string[] });
}
