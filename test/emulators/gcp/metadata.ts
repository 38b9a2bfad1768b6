/**
 * The metadata server of Compute Engine, Cloud Run, Cloud Functions and GKE.
 *
 * Keys: cloud.google.com/compute/docs/metadata/predefined-metadata-keys. Rules for requests:
 * cloud.google.com/compute/docs/metadata/querying-metadata. Identity tokens:
 * cloud.google.com/compute/docs/instances/verifying-instance-identity. What the SDK sends: gcp-metadata's `index.js`
 * and google-auth-library's `computeclient.js`.
 */
import {
  type Answer,
  type Headers,
  type HttpEmulator,
  HttpService,
  json,
  type ListenOptions,
  type RecordedRequest,
  text,
} from '../http.js';
import { type Issuer, startIssuer } from '../issuer.js';
import {
  defaultServiceAccount,
  googleIssuer,
  idTokenClaims,
  issueAccessToken,
  type ServiceAccount,
} from './service-account.js';

export interface GcpMetadataOptions extends ListenOptions {
  projectId?: string;
  /** The first one is `default`. Default: one. */
  serviceAccounts?: ServiceAccount[];
  /** Default: 3600. */
  lifeSeconds?: number;
  latencyMS?: number;
  /** False: a pod on GKE whose Kubernetes service account has no Google service account bound to it. */
  bound?: boolean;
  /** Whether it is that of a node pool with Workload Identity Federation, which answers as the pod. Default: false. */
  gke?: boolean;
}

export interface GcpMetadataEmulator extends HttpEmulator {
  /** The `iss` of its identity tokens. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** The variables that point the SDK to it. */
  readonly env: Record<string, string>;
  readonly projectId: string;
  /** Life of the next token. */
  lifeSeconds: number;
  serviceAccounts: ServiceAccount[];
  bound: boolean;
}

const root = '/computeMetadata/v1';
const accountPath = new RegExp(`^${root}/instance/service-accounts/([^/]+)(?:/([a-z]*))?$`);
const projectNumber = 739419398126;

class GcpMetadata extends HttpService implements GcpMetadataEmulator {
  readonly projectId: string;
  lifeSeconds: number;
  serviceAccounts: ServiceAccount[];
  bound: boolean;
  readonly #issuer: Issuer;

  constructor(options: GcpMetadataOptions, issuer: Issuer) {
    super({
      latencyMS: options.latencyMS,
      // googleapis/gcp-metadata#657 and salrashid123/gce_metadata_server#11 show the headers, on 403 and 404 too.
      headers: {
        'metadata-flavor': 'Google',
        server: options.gke ? 'GKE Metadata Server' : 'Metadata Server for VM',
      },
    });
    this.projectId = options.projectId ?? 'project-1';
    this.lifeSeconds = options.lifeSeconds ?? 3600;
    this.serviceAccounts = options.serviceAccounts ?? [defaultServiceAccount];
    this.bound = options.bound ?? true;
    this.#issuer = issuer;
  }

  get issuer(): string {
    return googleIssuer;
  }

  get jwksUri(): string {
    return this.#issuer.jwksUri;
  }

  get env(): Record<string, string> {
    return { GCE_METADATA_HOST: `127.0.0.1:${this.port}` };
  }

  protected isTokenRequest({ path }: RecordedRequest): boolean {
    const property = accountPath.exec(path)?.[2];
    return property === 'identity' || property === 'token';
  }

  protected async answer(request: RecordedRequest, { emptyToken }: { emptyToken: boolean }): Promise<Answer> {
    const { headers, path, query } = request;
    // Both rules are in "Querying metadata": the header is required, and X-Forwarded-For must not be there.
    if (headers['metadata-flavor'] !== 'Google' || headers['x-forwarded-for'] !== undefined) return page(403);

    const account = accountPath.exec(path);
    if (account !== null) return this.#accountProperty(account[1] ?? '', account[2] ?? '', query, emptyToken);
    switch (path.replace(/\/$/, '')) {
      case '':
        return plain('computeMetadata/\n');
      case root:
        return plain('instance/\nproject/\n');
      case `${root}/instance`:
        return plain('attributes/\nid\nname\nservice-accounts/\nzone\n');
      case `${root}/instance/id`:
        return plain('3033229126468142413');
      case `${root}/instance/name`:
        return plain('vm-1');
      case `${root}/instance/zone`:
        return plain(`projects/${projectNumber}/zones/europe-west1-b`);
      case `${root}/instance/service-accounts`:
        return plain(
          ['default', ...this.#accounts.map(({ email }) => email)].map((name) => `${name}/\n`).join(''),
        );
      case `${root}/project/project-id`:
        return plain(this.projectId);
      case `${root}/project/numeric-project-id`:
        return plain(String(projectNumber));
      default:
        // `universe/universe-domain` is among these: a 404 means googleapis.com (googleauth.js, `getUniverseDomain…`).
        return page(404);
    }
  }

  protected errorAnswer(status: number): Answer {
    return page(status);
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#issuer.close()]);
  }

  /** An unbound pod's own account is the workload identity pool: argoproj/argo-cd#20368. */
  get #accounts(): readonly ServiceAccount[] {
    return this.bound ? this.serviceAccounts : [{ email: `${this.projectId}.svc.id.goog`, uniqueId: '' }];
  }

  async #accountProperty(
    name: string,
    property: string,
    query: Record<string, string>,
    emptyToken: boolean,
  ): Promise<Answer> {
    const wanted = decodeURIComponent(name);
    const account =
      wanted === 'default' ? this.#accounts[0] : this.#accounts.find(({ email }) => email === wanted);
    if (account === undefined) return page(404);
    switch (property) {
      case '':
        return plain('aliases\nemail\nidentity\nscopes\ntoken\n');
      case 'aliases':
        return plain(account === this.#accounts[0] ? 'default\n' : '');
      case 'email':
        return plain(account.email);
      case 'scopes':
        return plain('https://www.googleapis.com/auth/cloud-platform\n');
      case 'token':
        return json(200, {
          access_token: emptyToken ? '' : issueAccessToken(account.email, this.lifeSeconds),
          expires_in: this.lifeSeconds,
          token_type: 'Bearer',
        });
      case 'identity':
        return this.#identity(account, query, emptyToken);
      default:
        return page(404);
    }
  }

  async #identity(
    account: ServiceAccount,
    query: Record<string, string>,
    emptyToken: boolean,
  ): Promise<Answer> {
    // No Google service account, so nobody to make an ID token out to.
    if (!this.bound) return page(400);
    const { audience, format } = query;
    if (!audience) return text(400, 'non-empty audience parameter required', html);
    if (emptyToken) return { status: 200, headers: html, body: '' };
    const full = format === 'full';
    const token = await this.#issuer.sign(
      {
        ...idTokenClaims(account, audience, full),
        ...(full
          ? {
              google: {
                compute_engine: {
                  project_id: this.projectId,
                  project_number: projectNumber,
                  zone: 'europe-west1-b',
                  instance_id: '3033229126468142413',
                  instance_name: 'vm-1',
                  instance_creation_timestamp: 1_700_000_000,
                },
              },
            }
          : {}),
      },
      { lifeSeconds: this.lifeSeconds },
    );
    return { status: 200, headers: html, body: token };
  }
}

const html: Headers = { 'content-type': 'text/html; charset=UTF-8' };

function plain(body: string): Answer {
  return { status: 200, headers: { 'content-type': 'application/text' }, body };
}

/** Errors are pages: gcp-metadata#657 shows the one of 404. */
function page(status: number): Answer {
  const names: Record<number, string> = {
    400: 'Bad Request',
    403: 'Forbidden',
    404: 'Not Found',
    429: 'Too Many Requests',
    500: 'Server Error',
    503: 'Service Unavailable',
  };
  const title = `Error ${status} (${names[status] ?? 'Error'})!!1`;
  return {
    status,
    headers: html,
    body: `<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>${title}</title>\n  <p><b>${status}.</b> <ins>That’s an error.</ins>\n</html>\n`,
  };
}

export async function startGcpMetadata(options: GcpMetadataOptions = {}): Promise<GcpMetadataEmulator> {
  const service = new GcpMetadata(options, await startIssuer({ issuer: googleIssuer }));
  await service.listen(options);
  return service;
}
