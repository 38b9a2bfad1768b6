// Keeps its token until it expires, and lets those who come meanwhile share one call of the SDK.
import { ManagedIdentityCredential } from '@azure/identity';

export function careful(audience) {
  const credential = new ManagedIdentityCredential();
  let cached;
  let pending;
  return async () => {
    if (!cached || Date.now() >= cached.expiresOnTimestamp) {
      pending ??= credential.getToken(`${audience}/.default`).finally(() => {
        pending = undefined;
      });
      cached = await pending;
    }
    return {
      accessToken: cached.token,
      expiresInSeconds: Math.floor((cached.expiresOnTimestamp - Date.now()) / 1000),
    };
  };
}
