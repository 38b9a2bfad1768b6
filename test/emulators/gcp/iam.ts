/**
 * IAM Credentials (`generateIdToken`, `generateAccessToken`) and Google's OAuth token endpoint, over HTTPS.
 *
 * cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken and
 * developers.google.com/identity/protocols/oauth2/service-account, "Making the access token request"; what the SDK
 * sends is in google-auth-library's `auth/impersonated.js`, `gtoken/getToken.js` and `auth/refreshclient.js`.
 *
 * `oauth2.googleapis.com` is a constant of the SDK, the key file's `token_uri` is not used: a child process gets there
 * through the redirect hook that `env` loads.
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { type Certificates, createCertificates } from '../certificates.js';
import {
  type Answer,
  type HttpEmulator,
  HttpService,
  json,
  type ListenOptions,
  type RecordedRequest,
} from '../http.js';
import { type Issuer, startIssuer } from '../issuer.js';
import { redirectEnv } from '../redirect.js';
import {
  defaultServiceAccount,
  googleIssuer,
  idTokenClaims,
  issueAccessToken,
  ownerOf,
  type ServiceAccount,
} from './service-account.js';

export interface GcpIamOptions extends ListenOptions {
  projectId?: string;
  /** The first one has the key file. Default: one. */
  serviceAccounts?: ServiceAccount[];
  /** Who may impersonate whom, by email: target to callers. Default: everybody everybody. */
  tokenCreators?: Record<string, string[]>;
  /** Default: 3600. */
  lifeSeconds?: number;
  latencyMS?: number;
}

export interface GcpIamEmulator extends HttpEmulator {
  /** The `iss` of its ID tokens. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** The variables that point Application Default Credentials to it, with the key file. */
  readonly env: Record<string, string>;
  /** CA of its certificate, for a client in this process. */
  readonly certificates: Certificates;
  /** A service-account key file of the first account. */
  readonly keyFile: string;
  /** A user's credentials, as `gcloud auth application-default login` leaves them. */
  readonly userFile: string;
  lifeSeconds: number;
  serviceAccounts: ServiceAccount[];
  tokenCreators: Record<string, string[]> | undefined;
  /** Writes a key file for another of its accounts. */
  createKeyFile(email: string): Promise<string>;
}

const oauthHost = 'oauth2.googleapis.com';
const iamHost = 'iamcredentials.googleapis.com';
const tokenUrl = `https://${oauthHost}/token`;
const iamPath = /^\/v1\/projects\/-\/serviceAccounts\/([^/]+):(generateIdToken|generateAccessToken)$/;
const user = { email: 'user@example.com', uniqueId: '110000000000000000009' };
const userClientId = '764086051850-emulator.apps.googleusercontent.com';

class GcpIam extends HttpService implements GcpIamEmulator {
  readonly certificates: Certificates;
  lifeSeconds: number;
  serviceAccounts: ServiceAccount[];
  tokenCreators: Record<string, string[]> | undefined;
  readonly #projectId: string;
  readonly #issuer: Issuer;
  readonly #directory: string;
  readonly #keys = new Map<string, KeyObject>();
  readonly #refreshToken = `1//${randomBytes(24).toString('base64url')}`;

  constructor(options: GcpIamOptions, issuer: Issuer, certificates: Certificates, directory: string) {
    super({ latencyMS: options.latencyMS, tls: certificates });
    this.certificates = certificates;
    this.lifeSeconds = options.lifeSeconds ?? 3600;
    this.serviceAccounts = options.serviceAccounts ?? [defaultServiceAccount];
    this.tokenCreators = options.tokenCreators;
    this.#projectId = options.projectId ?? 'project-1';
    this.#issuer = issuer;
    this.#directory = directory;
  }

  get issuer(): string {
    return googleIssuer;
  }

  get jwksUri(): string {
    return this.#issuer.jwksUri;
  }

  get keyFile(): string {
    return join(this.#directory, 'key.json');
  }

  get userFile(): string {
    return join(this.#directory, 'application_default_credentials.json');
  }

  get env(): Record<string, string> {
    const here = `127.0.0.1:${this.port}`;
    return {
      GOOGLE_APPLICATION_CREDENTIALS: this.keyFile,
      NODE_EXTRA_CA_CERTS: this.certificates.caFile,
      ...redirectEnv({ [`${oauthHost}:443`]: here, [`${iamHost}:443`]: here }),
    };
  }

  createKeyFile(email: string): Promise<string> {
    return this.#writeKeyFile(email, join(this.#directory, `key-${this.#keys.size}.json`));
  }

  async writeFiles(): Promise<void> {
    const [first] = this.serviceAccounts;
    if (first !== undefined) await this.#writeKeyFile(first.email, this.keyFile);
    // The members that `googleauth.js` (`fromJSON`) and `refreshclient.js` read.
    await writeFile(
      this.userFile,
      JSON.stringify({
        type: 'authorized_user',
        client_id: userClientId,
        client_secret: 'not-a-secret',
        refresh_token: this.#refreshToken,
      }),
    );
  }

  protected isTokenRequest({ path }: RecordedRequest): boolean {
    return path === '/token' || iamPath.test(path);
  }

  protected async answer(request: RecordedRequest, context: { emptyToken: boolean }): Promise<Answer> {
    if (request.method !== 'POST') return apiError(404, 'NOT_FOUND', 'Requested entity was not found.');
    if (request.path === '/token') return this.#oauth(new URLSearchParams(request.body), context.emptyToken);
    const [, email, method] = iamPath.exec(decodeURIComponent(request.path)) ?? [];
    if (email === undefined) return apiError(404, 'NOT_FOUND', 'Requested entity was not found.');
    return this.#impersonate(email, method ?? '', request, context.emptyToken);
  }

  protected errorAnswer(status: number): Answer {
    const names: Record<number, string> = {
      400: 'INVALID_ARGUMENT',
      401: 'UNAUTHENTICATED',
      403: 'PERMISSION_DENIED',
      404: 'NOT_FOUND',
      429: 'RESOURCE_EXHAUSTED',
      500: 'INTERNAL',
      503: 'UNAVAILABLE',
    };
    return apiError(status, names[status] ?? 'UNKNOWN', 'The request cannot be served.');
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#issuer.close()]);
    this.certificates.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #writeKeyFile(email: string, path: string): Promise<string> {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.#keys.set(email, publicKey);
    const account = this.serviceAccounts.find((candidate) => candidate.email === email);
    // The members of a key file: cloud.google.com/iam/docs/keys-create-delete.
    await writeFile(
      path,
      JSON.stringify({
        type: 'service_account',
        project_id: this.#projectId,
        private_key_id: randomBytes(20).toString('hex'),
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        client_email: email,
        client_id: account?.uniqueId,
        auth_uri: 'https://accounts.google.com/o/oauth2/auth',
        token_uri: tokenUrl,
        universe_domain: 'googleapis.com',
      }),
      { mode: 0o600 },
    );
    return path;
  }

  async #oauth(form: URLSearchParams, emptyToken: boolean): Promise<Answer> {
    switch (form.get('grant_type')) {
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer':
        return this.#assertion(form.get('assertion') ?? '', emptyToken);
      case 'refresh_token': {
        if (form.get('refresh_token') !== this.#refreshToken)
          return oauthError('invalid_grant', 'Bad Request');
        // A user's ID token is made out to the client, whatever `target_audience` says.
        const idToken = await this.#issuer.sign(idTokenClaims(user, userClientId, true), {
          lifeSeconds: this.lifeSeconds,
        });
        return json(200, {
          access_token: emptyToken ? '' : issueAccessToken(user.email, this.lifeSeconds),
          expires_in: this.lifeSeconds,
          scope: 'openid https://www.googleapis.com/auth/cloud-platform',
          token_type: 'Bearer',
          id_token: emptyToken ? '' : idToken,
        });
      }
      default:
        return oauthError('unsupported_grant_type', 'Invalid grant_type');
    }
  }

  async #assertion(assertion: string, emptyToken: boolean): Promise<Answer> {
    const malformed = oauthError('invalid_grant', 'Invalid JWT Signature.');
    let claims: JWTPayload;
    try {
      claims = decodeJwt(assertion);
    } catch {
      return malformed;
    }
    const account = this.serviceAccounts.find(({ email }) => email === claims.iss);
    const key = this.#keys.get(claims.iss ?? '');
    if (account === undefined || key === undefined) {
      return oauthError('invalid_grant', 'Invalid grant: account not found');
    }
    try {
      await jwtVerify(assertion, key, { audience: tokenUrl, algorithms: ['RS256'] });
    } catch {
      return malformed;
    }
    if (typeof claims.target_audience === 'string') {
      const token = await this.#issuer.sign(idTokenClaims(account, claims.target_audience, true), {
        lifeSeconds: this.lifeSeconds,
      });
      return json(200, { id_token: emptyToken ? '' : token });
    }
    if (!claims.scope)
      return oauthError('invalid_scope', 'Invalid OAuth scope or ID token audience provided.');
    return json(200, {
      access_token: emptyToken ? '' : issueAccessToken(account.email, this.lifeSeconds),
      expires_in: this.lifeSeconds,
      token_type: 'Bearer',
    });
  }

  async #impersonate(
    email: string,
    method: string,
    request: RecordedRequest,
    emptyToken: boolean,
  ): Promise<Answer> {
    const caller = ownerOf(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
    if (caller === undefined) {
      return apiError(
        401,
        'UNAUTHENTICATED',
        'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      );
    }
    const account = this.serviceAccounts.find((candidate) => candidate.email === email);
    const allowed = this.tokenCreators === undefined || this.tokenCreators[email]?.includes(caller) === true;
    if (account === undefined || !allowed) {
      const permission =
        method === 'generateIdToken'
          ? 'iam.serviceAccounts.getOpenIdToken'
          : 'iam.serviceAccounts.getAccessToken';
      // google-github-actions/auth#340.
      return apiError(
        403,
        'PERMISSION_DENIED',
        `Permission '${permission}' denied on resource (or it may not exist).`,
        [
          {
            '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
            reason: 'IAM_PERMISSION_DENIED',
            domain: 'iam.googleapis.com',
            metadata: { permission },
          },
        ],
      );
    }
    const body = parse(request.body);
    if (method === 'generateAccessToken') {
      return json(200, {
        accessToken: emptyToken ? '' : issueAccessToken(email, this.lifeSeconds),
        expireTime: new Date(Date.now() + this.lifeSeconds * 1000).toISOString(),
      });
    }
    if (typeof body.audience !== 'string' || body.audience === '') {
      return apiError(400, 'INVALID_ARGUMENT', 'Request contains an invalid argument.');
    }
    const claims = idTokenClaims(account, body.audience, body.includeEmail === true);
    const token = await this.#issuer.sign(body.useEmailAzp === true ? { ...claims, azp: email } : claims, {
      lifeSeconds: this.lifeSeconds,
    });
    return json(200, { token: emptyToken ? '' : token });
  }
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** RFC 6749, section 5.2. */
function oauthError(error: string, description: string): Answer {
  return json(400, { error, error_description: description });
}

/** google.aip.dev/193. */
function apiError(code: number, status: string, message: string, details?: unknown[]): Answer {
  return json(code, { error: { code, message, status, ...(details ? { details } : {}) } });
}

export async function startGcpIam(options: GcpIamOptions = {}): Promise<GcpIamEmulator> {
  const [issuer, certificates, directory] = await Promise.all([
    startIssuer({ issuer: googleIssuer }),
    createCertificates([oauthHost, iamHost]),
    mkdtemp(join(tmpdir(), 'emulator-gcp-')),
  ]);
  const service = new GcpIam(options, issuer, certificates, directory);
  await Promise.all([service.listen(options), service.writeFiles()]);
  return service;
}
