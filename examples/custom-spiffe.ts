// Tokens of SPIFFE: JWT-SVIDs in the file that spiffe-helper writes, and writes again before they expire. The helper
// runs beside the program, in daemon mode, with these lines in its configuration:
//
//   cert_dir = "/run/spiffe"
//   jwt_svids = [{ jwt_audience = "mongodb", jwt_svid_file_name = "mongodb.jwt" }]
//
// MONGODB_URI  such as mongodb+srv://cluster0.example.mongodb.net/
// JWT_SVID     the path of that file, here /run/spiffe/mongodb.jwt
//
// The server's identity provider has this audience, and the issuer is SPIRE's `jwt_issuer`.

import { readFile } from 'node:fs/promises';
import { MongoClient } from 'mongodb';
import { type AccessToken, OIDCCallback } from 'mongodb-workload-identity';

const { MONGODB_URI, JWT_SVID } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!JWT_SVID) throw new Error('Set JWT_SVID.');

class SpiffeCallback extends OIDCCallback {
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  protected async getToken(): Promise<AccessToken> {
    return { token: (await readFile(this.#path, 'utf8')).trim() };
  }
}

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new SpiffeCallback(JWT_SVID) },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
