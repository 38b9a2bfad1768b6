// Says what the errors of @azure/identity mean, which wrap each other several deep and hide most causes.

import { OIDCCallbackError, type OIDCCallbackErrorCode } from './errors.js';
import { scrub } from './secrets.js';
import { START_UP_MS } from './token-file.js';

/** What was asked for, to be named in an error. */
export interface AzureRequest {
  readonly audience: string;
  /** Such as `client ID '…'`; undefined for the system-assigned identity. */
  readonly identity: string | undefined;
}

/** The error that fits, whichever of the nested ones tells most. */
export function describeAzureError(error: unknown, request: AzureRequest): OIDCCallbackError {
  if (error instanceof OIDCCallbackError) return error;
  const faults = flatten(error);
  const rule = RULES.find(({ applies }) => applies(faults, request)) ?? LAST_RULE;
  return new OIDCCallbackError(rule.code, rule.message(request, faults), {
    cause: error,
    ...(rule.retryForMS !== undefined && { retryForMS: rule.retryForMS }),
  });
}

/** A message can be a whole page. */
const TEXT_LIMIT_CHARACTERS = 4_096;

interface Fault {
  readonly text: string;
  readonly status: number | undefined;
}

interface Rule {
  readonly applies: (faults: readonly Fault[], request: AzureRequest) => boolean;
  readonly code: OIDCCallbackErrorCode;
  readonly message: (request: AzureRequest, faults: readonly Fault[]) => string;
  readonly retryForMS?: number;
}

/** As Node says it of `readFile`, and `WorkloadIdentityCredential` of an empty file. */
const UNREADABLE_FILE =
  /\b(?:ENOENT|ENOTDIR|EACCES|EPERM)\b[^']*\bopen '[^']*'|\bEISDIR\b[^,]*, read|No content on the file \S*[^.\s]/;

const says = (pattern: RegExp) => (faults: readonly Fault[]) => faults.some(({ text }) => pattern.test(text));
const answered = (matches: (status: number) => boolean) => (faults: readonly Fault[]) =>
  faults.some(({ status }) => status !== undefined && matches(status));
const identityNotFound = says(
  /identity not found|no (user|system).assigned .{0,99}identit|identity .{0,199}(does not exist|has been deleted)/i,
);

/** From the most telling to the least: in a chain of credentials, several apply. */
const RULES: readonly Rule[] = [
  {
    applies: says(/multiple user assigned identities/i),
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    message: () =>
      'Several managed identities are assigned to this host and none was chosen: set `clientId` (or the username of the connection string) to the client ID of the one that MongoDB knows.',
  },
  {
    applies: (faults, { identity }) => identity !== undefined && identityNotFound(faults),
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    message: ({ identity }) =>
      `The managed identity with ${identity} is not assigned to this host. Assign it to the host, or set \`clientId\` to one that is. A client ID is not an object (principal) ID.`,
  },
  {
    applies: identityNotFound,
    code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
    message: () =>
      'No managed identity on this host: the identity endpoint answered that there is none. Turn on the system-assigned identity, or assign one and set `clientId`.',
  },
  {
    applies: says(UNREADABLE_FILE),
    code: 'ERR_OIDC_TOKEN_FILE',
    message: (_, faults) =>
      `The SDK cannot read a file that it needs (${fileProblemOf(faults)}). For a workload identity this is the federated token file, of AZURE_FEDERATED_TOKEN_FILE or the option tokenFilePath: is the volume of the workload identity webhook mounted?`,
    retryForMS: START_UP_MS,
  },
  {
    // The SDK repeats these from its memory, without the status.
    applies: says(/AADSTS(90055|50196)\b/),
    code: 'ERR_OIDC_RATE_LIMITED',
    message: () => 'Entra throttles this application: too many token requests in a short time.',
  },
  {
    applies: says(/AADSTS(90012|90024|90033)\b/),
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    message: (_, faults) => `Entra is not available for the moment (${entraCodeOf(faults)}).`,
  },
  {
    applies: says(/AADSTS700016/),
    code: 'ERR_OIDC_IDENTITY_NOT_FOUND',
    message: ({ identity }) =>
      `Entra knows no application with ${identity ?? 'this client ID'} in this tenant: check the client ID and the tenant ID.`,
  },
  {
    applies: says(/AADSTS7002\d/),
    code: 'ERR_OIDC_ACCESS_DENIED',
    message: ({ identity }) =>
      `Entra refused the federated token of ${identity ?? 'this workload'}: the federated identity credential must have the issuer of this cluster, the subject 'system:serviceaccount:<namespace>:<service account>' and the audience 'api://AzureADTokenExchange'.`,
  },
  {
    applies: says(/AADSTS(500011|65001|28000|1002012)\b/),
    code: 'ERR_OIDC_ACCESS_DENIED',
    message: ({ audience }) =>
      `Entra issues no token for the audience '${audience}' here: check it against the Application ID URI (or client ID) of the application that stands for MongoDB, in this tenant.`,
  },
  {
    applies: answered((status) => status === 429),
    code: 'ERR_OIDC_RATE_LIMITED',
    message: () =>
      'The Azure identity endpoint throttles this host (429): too many token requests in a short time.',
  },
  {
    applies: answered((status) => [404, 408, 410].includes(status) || status >= 500),
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    message: (_, faults) => `The Azure identity endpoint answered with status ${statusOf(faults)}.`,
  },
  {
    // Docker Desktop answers for the metadata address, with 403.
    applies: says(/unreachable (network|host)/i),
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    message: nothingAnswers,
  },
  {
    applies: (faults) => says(/AADSTS\d/)(faults) || answered((status) => status >= 400)(faults),
    code: 'ERR_OIDC_ACCESS_DENIED',
    message: ({ audience, identity }, faults) =>
      `Azure refused ${identity ?? 'this workload'} a token for '${audience}' (${entraCodeOf(faults) ?? statusOf(faults)}): ${scrub(lastText(faults))}`,
  },
  {
    applies: says(/no "accessToken" property/),
    code: 'ERR_OIDC_TOKEN_INVALID',
    message: () => 'The Azure identity endpoint answered without a token.',
  },
  {
    applies: says(/expires_?on/i),
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    message: () =>
      'The Azure identity endpoint answered without a token, or with an empty or throttled answer: its SDK does not tell these apart.',
  },
  {
    applies: says(
      /network_error|network unreachable|endpoint, but it is not available|no response|endpoints_resolution_error|REQUEST_SEND_ERROR|ECONN|ENOTFOUND|E(HOST|NET)UNREACH|EPIPE|ETIMEDOUT|EAI_AGAIN|UND_ERR|AbortError|fetch failed|socket (hang up|disconnected)/i,
    ),
    code: 'ERR_OIDC_SOURCE_UNREACHABLE',
    message: nothingAnswers,
  },
];

const LAST_RULE: Rule = {
  applies: () => true,
  code: 'ERR_OIDC_CREDENTIAL_UNAVAILABLE',
  message: (_, faults) => `No Azure credential can be had here: ${scrub(lastText(faults))}`,
};

function nothingAnswers(_: AzureRequest, faults: readonly Fault[]): string {
  const login = says(/\baz login\b|Azure CLI could not be found/i)(faults)
    ? ' On a laptop, log in with `az login`.'
    : '';
  return `Nothing answered at the Azure identity endpoint, or the connection broke, or the answer was not JSON: its SDK does not tell these apart. Is this an Azure host with a managed identity? Does a network policy, firewall or service mesh block it?${login}`;
}

/** The error, its causes and those it aggregates, outermost first. */
function flatten(error: unknown, seen = new Set<unknown>()): Fault[] {
  if (typeof error !== 'object' || error === null || seen.has(error) || seen.size > 50) return [];
  seen.add(error);
  const { name, message, status, statusCode, code, errorCode, cause, errors } = error as Record<
    string,
    unknown
  >;
  const httpStatus = [status, statusCode].find((value) => typeof value === 'number');
  return [
    {
      text: [name, errorCode, code, message]
        .filter((part) => typeof part === 'string')
        .join(': ')
        .slice(0, TEXT_LIMIT_CHARACTERS),
      status: httpStatus as number | undefined,
    },
    ...flatten(cause, seen),
    ...(Array.isArray(errors) ? errors.flatMap((nested) => flatten(nested, seen)) : []),
  ];
}

function statusOf(faults: readonly Fault[]): number | undefined {
  return faults.find(({ status }) => status !== undefined && status >= 400)?.status;
}

function fileProblemOf(faults: readonly Fault[]): string | undefined {
  return faults.map(({ text }) => UNREADABLE_FILE.exec(text)?.[0]).find(Boolean);
}

function entraCodeOf(faults: readonly Fault[]): string | undefined {
  return faults.map(({ text }) => /AADSTS\d+/.exec(text)?.[0]).find(Boolean);
}

function lastText(faults: readonly Fault[]): string {
  return faults.at(-1)?.text || 'the SDK gave no reason';
}
