// Tokens from a command that prints one: a class of your own with one method. What it throws is tried again, and what
// it returns is kept until it expires; the command is killed when nobody waits for it any more.
//
// MONGODB_URI       such as mongodb+srv://cluster0.example.mongodb.net/
// MONGODB_AUDIENCE  the audience of the server's identity provider, such as mongodb
// TOKEN_COMMAND     the path of an executable that prints a token for the audience in its first argument

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MongoClient } from 'mongodb';
import { type AccessToken, type GetTokenRequest, OIDCCallback } from 'mongodb-workload-identity';

const { MONGODB_URI, MONGODB_AUDIENCE, TOKEN_COMMAND } = process.env;
if (!MONGODB_URI) throw new Error('Set MONGODB_URI.');
if (!MONGODB_AUDIENCE) throw new Error('Set MONGODB_AUDIENCE.');
if (!TOKEN_COMMAND) throw new Error('Set TOKEN_COMMAND.');

class CommandCallback extends OIDCCallback {
  readonly #command: string;

  constructor(command: string, audience: string) {
    super({ audience });
    this.#command = command;
  }

  protected async getToken({ audience = '', signal }: GetTokenRequest): Promise<AccessToken> {
    const { stdout } = await promisify(execFile)(this.#command, [audience], { signal });
    return { token: stdout.trim() };
  }
}

const client = new MongoClient(MONGODB_URI, {
  authMechanism: 'MONGODB-OIDC',
  authMechanismProperties: { OIDC_CALLBACK: new CommandCallback(TOKEN_COMMAND, MONGODB_AUDIENCE) },
});

try {
  const { authInfo } = await client.db().command({ connectionStatus: 1 });
  console.log(`Connected as ${authInfo.authenticatedUsers[0].user}`);
} finally {
  await client.close();
}
