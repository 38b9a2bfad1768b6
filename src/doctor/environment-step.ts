// The environment: what is installed, what the connection string says, and where this runs.

import { hasWorkloadIdentity } from '../azure-credential.js';
import type { OIDCCallback } from '../callback.js';
import { detect, isOnAKS, type Place } from '../detection.js';
import { callbackOf, ENVIRONMENT_NAMES, isEnvironmentName } from '../environment.js';
import { environmentVariable } from '../environment-callback.js';
import { OIDCCallbackError } from '../errors.js';
import { quote } from '../jwt.js';
import { askMetadataServer } from '../metadata-server.js';
import { requireAudience } from '../options.js';
import { readWorkload, type Workload } from '../workload.js';
import type { Settings } from './arguments.js';
import { findDriver, findSDK, type Installed, isAtLeast } from './packages.js';
import { CheckFailed, type Outcome, ok, type Report, warning } from './report.js';

/** What the later steps need to know. */
export interface Surveyed {
  readonly environment: Place['environment'] | 'developer';
  readonly callback: OIDCCallback;
  readonly audience: string | undefined;
  readonly username: string | undefined;
  readonly targetPrincipal: string | undefined;
}

/** What is known before anything is asked. */
export interface Survey {
  readonly driver: Installed | undefined;
  /** Undefined where there is no connection string, or none that can be used. */
  readonly workload: Workload | undefined;
  /** Undefined where it could not be told. */
  readonly surveyed: Surveyed | undefined;
}

export async function examineEnvironment(settings: Settings, report: Report): Promise<Survey> {
  report.note('environment', 'runtime', ok(`${runtime()} on ${process.platform}`, { node: process.version }));
  const driver = findDriver();
  report.note('environment', 'driver', judgeDriver(driver, settings.connect));
  for (const [name, ...oldest] of SDKS) report.note('environment', name, judgeSDK(name, oldest));

  const { uri } = settings;
  const workload =
    uri === undefined
      ? undefined
      : await report.check('environment', 'connection-string', 'reading the connection string', async () => {
          const read = readURI(uri, settings);
          return [ok(describe(read)), read];
        });
  if (uri !== undefined && !workload && settings.environment === undefined) {
    return { driver, workload, surveyed: undefined };
  }
  const audience = workload?.audience ?? settings.audience;
  const surveyed = await report.check(
    'environment',
    'detection',
    'finding out where this runs',
    async (): Promise<[Outcome, Surveyed]> => {
      const place = await locate(workload?.environment ?? said(settings), audience, settings.timeoutMS);
      const callback = callbackOf(place.environment, {
        audience,
        timeoutMS: settings.timeoutMS,
        tokenFile: settings.tokenFile ?? place.tokenFile,
        serviceAccountEmail: settings.serviceAccount,
        targetPrincipal: settings.targetPrincipal,
      });
      const { environment, sign } = place;
      const summary = `${callback.name}, for ${environment}: ${place.name} (${sign})`;
      return [
        ok(summary, { environment, sign, callback: callback.name }),
        {
          environment,
          callback,
          audience,
          username: workload?.username ?? settings.clientId,
          targetPrincipal: settings.targetPrincipal,
        },
      ];
    },
  );
  if (surveyed?.environment === 'azure' && (await lacksWorkloadIdentity())) {
    report.note('environment', 'workload-identity', warning(NO_WORKLOAD_IDENTITY));
  }
  return { driver, workload, surveyed };
}

const SDKS = [
  ['@azure/identity', 4, 7],
  ['google-auth-library', 9, 15],
] as const;

function runtime(): string {
  const { bun, deno } = process.versions;
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node.js ${process.versions.node}`;
}

function judgeDriver(driver: Installed | undefined, isNeeded: boolean): Outcome {
  if (!driver) {
    const finding = {
      code: 'DRIVER_NOT_INSTALLED',
      summary: 'The driver is not installed here.',
      fix: 'Run this in the folder of the program, and: npm install mongodb',
    };
    if (isNeeded) return { ...warning(finding), status: 'failed' };
    return { status: 'skipped', summary: finding.summary };
  }
  const { version, through } = driver;
  const name = `mongodb ${version}${through ? `, through ${through}` : ''}`;
  if (!isAtLeast(version, 6, 17)) {
    const reauthenticates = isAtLeast(version, 6, 13);
    return {
      ...warning({
        code: 'DRIVER_TOO_OLD',
        summary: `${name} is too old: a callback does not learn its TOKEN_RESOURCE (NODE-6962)${reauthenticates ? '' : ', and a pool stops for good when its token expires (NODE-6340)'}.`,
        fix: 'Run: npm install mongodb@^6.17.0',
      }),
      status: 'failed',
    };
  }
  if (isAtLeast(version, 7, 2)) return ok(name, { version });
  return ok(
    `${name}; before 7.2 it lets evilexample.com pass *.example.com in ALLOWED_HOSTS (NODE-7478), workloadIdentity does not`,
    { version, known: ['NODE-7478'] },
  );
}

function judgeSDK(name: string, [major, minor]: readonly number[]): Outcome {
  const version = findSDK(name)?.version;
  if (version === undefined) return { status: 'skipped', summary: `${name} is not installed` };
  if (isAtLeast(version, major ?? 0, minor ?? 0)) return ok(`${name} ${version}`, { version });
  return warning({
    code: 'SDK_TOO_OLD',
    summary: `${name} ${version} is too old for this package.`,
    fix: `Run: npm install ${name}@latest`,
  });
}

function readURI(uri: string, settings: Settings): Workload {
  const { audience, targetPrincipal, allowedHosts, clientId } = settings;
  const readFor = (environment: Surveyed['environment'] | undefined) =>
    readWorkload(uri, {
      audience,
      targetPrincipal,
      allowedHosts,
      environment,
      ...(clientId !== undefined && { auth: { username: clientId, password: undefined } }),
    });
  // What else is said of the environment must not hide that the program's is misspelt.
  const [, name] = /\?.*\bENVIRONMENT(?::|%3A)([\w-]{1,40})/i.exec(uri) ?? [];
  if (name !== undefined && !isEnvironmentName(name)) {
    try {
      readFor(undefined);
    } catch (error) {
      if (!(error instanceof OIDCCallbackError)) throw error;
      throw new OIDCCallbackError(
        error.code,
        error.message.replace('This ENVIRONMENT', `ENVIRONMENT:${name}`),
      );
    }
  }
  return readFor(said(settings));
}

/** A token file is one of Kubernetes, and the rest of them say as much. */
function said({ environment, tokenFile, serviceAccount }: Settings): Surveyed['environment'] | undefined {
  return environment ?? (tokenFile ? 'k8s' : serviceAccount ? 'gcp' : undefined);
}

function describe({ connection, audience, trusted, username }: Workload): string {
  const facts = [
    `${connection.isSRV ? 'mongodb+srv' : 'mongodb'}://${connection.seeds.join(',')}`,
    audience === undefined ? 'no audience' : `audience '${audience}'`,
    username === undefined ? undefined : `client ID ${username}`,
    `tokens go to ${trusted.allowed.join(', ')} only`,
  ];
  return facts.filter(Boolean).join(', ');
}

type Located = Omit<Place, 'environment'> & Pick<Surveyed, 'environment'>;

async function locate(
  environment: Surveyed['environment'] | undefined,
  audience: string | undefined,
  timeoutMS: number,
): Promise<Located> {
  const name = environment ?? saidByVariable();
  if (name === 'azure') requireWholeVariables();
  if (name) {
    const origin = environment ? 'by an option or the connection string' : 'by MONGODB_OIDC_ENVIRONMENT';
    return { name: 'as it is said', environment: name, sign: origin };
  }
  const surroundings = {
    env: process.env,
    root: '/',
    askMetadataServer: () => askMetadataServer(AbortSignal.timeout(timeoutMS)),
  };
  try {
    return await detect(surroundings, requireAudience(audience));
  } catch (error) {
    requireWholeVariables();
    if (await lacksWorkloadIdentity()) throw new CheckFailed(NO_WORKLOAD_IDENTITY);
    throw error;
  }
}

function saidByVariable(): Surveyed['environment'] | undefined {
  try {
    return environmentVariable();
  } catch (error) {
    throw new CheckFailed({
      code: (error as OIDCCallbackError).code,
      summary: `The variable MONGODB_OIDC_ENVIRONMENT is ${quote(`${process.env.MONGODB_OIDC_ENVIRONMENT}`)}, and no such environment is known.`,
      fix: `Set it to ${ENVIRONMENT_NAMES}; or remove it, to have it found out.`,
    });
  }
}

async function lacksWorkloadIdentity(): Promise<boolean> {
  return !hasWorkloadIdentity() && (await isOnAKS({ env: process.env, root: '/' }));
}

const NO_WORKLOAD_IDENTITY = {
  code: 'AKS_VARIABLES_MISSING',
  summary:
    'This pod is on AKS, and AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_ID and AZURE_TENANT_ID are not set: the webhook of Microsoft Entra Workload ID left it alone.',
  fix: 'Give the pod the label azure.workload.identity/use: "true" and its service account the annotation azure.workload.identity/client-id, turn on --enable-workload-identity for the cluster, and start the pod anew. Or mount a projected token, with --environment k8s.',
};

/** Where half of what a place sets is missing, it was lost on the way to this process. */
function requireWholeVariables(): void {
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER, IMDS_ENDPOINT, AZURE_FEDERATED_TOKEN_FILE } = process.env;
  if (IDENTITY_ENDPOINT && !IDENTITY_HEADER && !IMDS_ENDPOINT) {
    throw new CheckFailed({
      code: 'IDENTITY_HEADER_MISSING',
      summary: 'IDENTITY_ENDPOINT is set and IDENTITY_HEADER is not, which the identity endpoint asks for.',
      fix: 'Pass both on to this process: App Service, Functions and Container Apps set them together, for the main process.',
    });
  }
  if (AZURE_FEDERATED_TOKEN_FILE && !hasWorkloadIdentity()) {
    const missing = ['AZURE_CLIENT_ID', 'AZURE_TENANT_ID'].filter((name) => !process.env[name]);
    throw new CheckFailed({
      code: 'AKS_VARIABLES_MISSING',
      summary: `AZURE_FEDERATED_TOKEN_FILE is set, and ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not.`,
      fix: 'Run: kubectl annotate serviceaccount <service account> azure.workload.identity/client-id=<client ID> (and azure.workload.identity/tenant-id, where the tenant is another), and start the pod anew.',
    });
  }
}
