// Where this program runs, as variables and files tell it: the table that decides, and nothing else that does.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OIDCCallbackError } from './errors.js';
import { audiences, namesOf, readClaims } from './jwt.js';
import { STANDARD_TOKEN_PATH } from './kubernetes-token.js';
import { readTokenFile } from './token-file.js';

/** What is looked at. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  /** What every path below begins with: `/`. */
  readonly root: string;
  /** The `Server` header of the metadata server: who it is, without a token. */
  readonly askMetadataServer: () => Promise<string | undefined>;
}

/** What was found. */
export interface Place {
  /** As a person calls it. */
  readonly name: string;
  readonly environment: 'azure' | 'gcp' | 'k8s';
  /** What told it. */
  readonly sign: string;
  /** The token file, in Kubernetes. */
  readonly tokenFile?: string;
}

interface Row {
  readonly name: string;
  readonly environment: Place['environment'];
  /** Undefined: the signs say enough, wherever they are. */
  readonly kubernetes?: boolean;
  readonly find: (look: Look) => Sign | Promise<Sign>;
}

type Sign = string | { readonly sign: string; readonly tokenFile: string } | undefined;

/** Kubernetes' documentation mounts projected tokens there. */
const PROJECTED_TOKENS = '/var/run/secrets/tokens';
const ASSET_TAG = '/sys/class/dmi/id/chassis_asset_tag';
const PRODUCT_NAME = '/sys/class/dmi/id/product_name';
/** Every virtual machine of Azure has it: "MSFT AZURE VM", in the digits of its characters. */
const AZURE_ASSET_TAG = '7783-7084-3265-9085-8269-3286-77';
const GOOGLE_PRODUCT = /^Google( Compute Engine)?$/;
const GKE_ISSUER = 'https://container.googleapis.com/';
export const GKE_METADATA_SERVER = 'GKE Metadata Server';
/** With the OIDC issuer of the cluster turned on, and without. */
const AKS_ISSUER = /^https:\/\/[^/]+\.(oic\.[\w-]+\.azure\.[a-z]+|azmk8s\.[a-z.]+)(\/|:|$)/;

/**
 * From the most particular to the least: the first row that fits decides. What several rows fit:
 *
 * - a pod of AKS or another federated cluster has a workload identity before anything else it could use;
 * - Knative sets `K_SERVICE` in pods as Cloud Run does in its containers, so it counts only outside Kubernetes;
 * - a pod that was given a token for this audience uses it, on GKE too;
 * - in Kubernetes the machine is the node, whose identity every pod of it could use, so it is not looked at;
 * - a virtual machine of Azure is one even where GCE_METADATA_HOST is set.
 */
export const TABLE: readonly Row[] = [
  {
    name: 'AKS, or another cluster that Entra trusts',
    environment: 'azure',
    find: (look) => look.variables('AZURE_FEDERATED_TOKEN_FILE', 'AZURE_CLIENT_ID', 'AZURE_TENANT_ID'),
  },
  {
    name: 'Azure Functions, App Service, App Service Environment or Container Apps',
    environment: 'azure',
    find: (look) => look.variables('IDENTITY_ENDPOINT', 'IDENTITY_HEADER') ?? look.variables('MSI_ENDPOINT'),
  },
  {
    name: 'a server of Azure Arc',
    environment: 'azure',
    find: (look) => look.variables('IMDS_ENDPOINT'),
  },
  {
    name: 'Cloud Run or Cloud Functions',
    environment: 'gcp',
    kubernetes: false,
    find: (look) =>
      look.variables('K_SERVICE') ?? look.variables('CLOUD_RUN_JOB') ?? look.variables('FUNCTION_TARGET'),
  },
  {
    name: 'Kubernetes, with a token for this audience',
    environment: 'k8s',
    kubernetes: true,
    find: (look) => look.tokenFile(),
  },
  {
    name: 'GKE, with Workload Identity Federation',
    environment: 'gcp',
    kubernetes: true,
    find: (look) => look.gke(),
  },
  {
    name: 'a virtual machine of Azure',
    environment: 'azure',
    kubernetes: false,
    find: (look) => look.file(ASSET_TAG, (text) => text === AZURE_ASSET_TAG),
  },
  {
    name: 'Compute Engine',
    environment: 'gcp',
    kubernetes: false,
    find: async (look) =>
      (await look.file(PRODUCT_NAME, (text) => GOOGLE_PRODUCT.test(text))) ??
      look.variables('GCE_METADATA_HOST'),
  },
];

/**
 * Where this program runs.
 *
 * @param audience - whom the token is for: a token file counts only if it is for the same
 * @throws OIDCCallbackError `ERR_OIDC_ENVIRONMENT_UNKNOWN`, with what was looked at;
 *   `ERR_OIDC_SOURCE_UNREACHABLE` where this seems to be GKE and its metadata server does not answer
 */
export async function detect(surroundings: Surroundings, audience: string): Promise<Place> {
  const look = new Look(surroundings, audience);
  const kubernetes = await look.kubernetes();
  for (const { name, environment, find, ...row } of TABLE) {
    if ((row.kubernetes ?? kubernetes) !== kubernetes) continue;
    const sign = await find(look);
    if (sign !== undefined) return { name, environment, ...(typeof sign === 'string' ? { sign } : sign) };
  }
  throw unknown(look, kubernetes);
}

/** Whether this is a pod of AKS, by the issuer of its token or by its node. */
export async function isOnAKS({ env, root }: Omit<Surroundings, 'askMetadataServer'>): Promise<boolean> {
  const look = new Look({ env, root, askMetadataServer: async () => undefined }, '');
  return (await look.kubernetes()) && (await look.aks());
}

/** Looks at things, and keeps note of what it saw. */
class Look {
  readonly notes: string[] = [];
  readonly audience: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #root: string;
  readonly #askMetadataServer: Surroundings['askMetadataServer'];

  constructor({ env, root, askMetadataServer }: Surroundings, audience: string) {
    this.#env = env;
    this.#root = root;
    this.audience = audience;
    this.#askMetadataServer = askMetadataServer;
  }

  /** Whether all of them are set. */
  variables(...names: readonly string[]): string | undefined {
    const missing = names.filter((name) => !this.#env[name]);
    if (missing.length === 0) return `${listed(names)} ${names.length === 1 ? 'is' : 'are'} set`;
    this.notes.push(`${listed(missing)} ${missing.length === 1 ? 'is' : 'are'} not set`);
    return undefined;
  }

  /** Whether the file says so. */
  async file(path: string, fits: (text: string) => boolean): Promise<string | undefined> {
    const text = await readFile(this.#at(path), 'utf8').then(
      (content) => content.trim(),
      () => undefined,
    );
    if (text !== undefined && fits(text)) return `${path} is '${text}'`;
    this.notes.push(
      text === undefined
        ? `${path} cannot be read`
        : `${path} is '${text.replace(/\p{Cc}/gu, ' ').slice(0, 60)}'`,
    );
    return undefined;
  }

  async kubernetes(): Promise<boolean> {
    if (this.#env.KUBERNETES_SERVICE_HOST) return true;
    // The variables do not reach what is started with an environment of its own.
    return (await this.#names(join(STANDARD_TOKEN_PATH, '..'))).length > 0;
  }

  /** A token file that is for this audience. */
  async tokenFile(): Promise<Sign> {
    for (const path of await this.#tokenFiles()) {
      const claims = await this.#claims(path);
      if (!claims) continue;
      if (audiences(claims).includes(this.audience)) {
        return { sign: `the token in ${path} is for '${this.audience}'`, tokenFile: this.#at(path) };
      }
      this.notes.push(`the token in ${path} is for ${namesOf(claims)}`);
    }
    return undefined;
  }

  /** Whether the metadata server here knows this pod, and not only its node. */
  async gke(): Promise<string | undefined> {
    const { iss } = (await this.#claims(STANDARD_TOKEN_PATH)) ?? {};
    const isGoogles = typeof iss === 'string' && iss.startsWith(GKE_ISSUER);
    // Where no token is mounted, the machine tells that it is one of Google's, and no more.
    if (!isGoogles && !(await this.file(PRODUCT_NAME, (text) => GOOGLE_PRODUCT.test(text)))) return undefined;
    const server = await this.#askMetadataServer();
    if (server === GKE_METADATA_SERVER) return `a ${GKE_METADATA_SERVER} answers`;
    this.notes.push(
      `the metadata server (${server ?? 'without a name'}) is the node's: turn on Workload Identity Federation for this node pool, and do not use hostNetwork`,
    );
    return undefined;
  }

  async aks(): Promise<boolean> {
    const { iss } = (await this.#claims(STANDARD_TOKEN_PATH)) ?? {};
    if (typeof iss === 'string' && AKS_ISSUER.test(iss)) return true;
    return (await this.file(ASSET_TAG, (text) => text === AZURE_ASSET_TAG)) !== undefined;
  }

  async #tokenFiles(): Promise<string[]> {
    const { AZURE_FEDERATED_TOKEN_FILE, AWS_WEB_IDENTITY_TOKEN_FILE } = this.#env;
    const projected: string[] = [];
    for (const name of await this.#names(PROJECTED_TOKENS)) {
      const path = join(PROJECTED_TOKENS, name);
      const isFolder = (await this.#names(path)).includes('token'); // as GKE has it: gcp-ksa/token
      projected.push(isFolder ? join(path, 'token') : path);
    }
    const paths = [
      AZURE_FEDERATED_TOKEN_FILE,
      AWS_WEB_IDENTITY_TOKEN_FILE,
      ...projected,
      STANDARD_TOKEN_PATH,
    ];
    return [...new Set(paths.filter((path): path is string => Boolean(path)))];
  }

  async #claims(path: string) {
    try {
      const token = await readTokenFile({ path: this.#at(path), origin: 'detection' });
      return readClaims(token, path);
    } catch {
      this.notes.push(`${path} holds no token that can be read`);
      return undefined;
    }
  }

  /** What is in a folder, without the links that the kubelet swaps. */
  async #names(path: string): Promise<string[]> {
    const names = await readdir(this.#at(path)).catch(() => []);
    return names.filter((name) => !name.startsWith('..')).sort();
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

function unknown({ notes, audience }: Look, kubernetes: boolean): OIDCCallbackError {
  const advice = kubernetes
    ? `This is Kubernetes, where the node's identity is never used: mount a projected service-account token with \`audience: ${audience}\` under ${PROJECTED_TOKENS}, or set up the workload identity of the cluster's cloud. To say it outright`
    : 'Say it outright';
  return new OIDCCallbackError(
    'ERR_OIDC_ENVIRONMENT_UNKNOWN',
    `Nothing here tells where this program runs: ${[...new Set(notes)].join('; ')}. ${advice}: the option \`environment\`, ENVIRONMENT in the connection string, or the variable MONGODB_OIDC_ENVIRONMENT, as azure, gcp or k8s; on a laptop as developer.`,
  );
}

function listed(names: readonly string[]): string {
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : `${names[0]}`;
}
