// Asks the SDK each time the driver asks, as the documentation does:
// - learn.microsoft.com/azure/documentdb/how-to-connect-role-based-access-control ("Node.js"): `getToken` in the
//   callback, nothing kept. That page takes `DefaultAzureCredential`, which asks the same endpoint after a probe;
//   without the probe, and without the developer tools behind it, the callback comes out better.
// - mongodb.com/docs/drivers/node/current/security/authentication/oidc ("Custom Callback"): reads the token each time.
import { ManagedIdentityCredential } from '@azure/identity';

export function asDocumented(audience) {
  const credential = new ManagedIdentityCredential();
  return async () => {
    const token = await credential.getToken(`${audience}/.default`);
    return {
      accessToken: token.token,
      expiresInSeconds: Math.floor((token.expiresOnTimestamp - Date.now()) / 1000),
    };
  };
}
