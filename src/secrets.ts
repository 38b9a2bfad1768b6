// Keeps tokens and other secrets out of everything that can be read, logged or inspected.

const REDACTED = '[redacted]';
const FOREIGN_TEXT_LIMIT_CHARACTERS = 600;
/** Of a whole page nobody needs more, and the expressions below take their time. */
const READ_LIMIT_CHARACTERS = 4_096;

/** Variables whose values are secrets as they stand. */
const SECRET_VARIABLES = [
  'IDENTITY_HEADER',
  'MSI_SECRET',
  'AZURE_CLIENT_SECRET',
  'AZURE_CLIENT_CERTIFICATE_PASSWORD',
  'AZURE_PASSWORD',
];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const PEM_BLOCK = /-----BEGIN [^-]+-----[\s\S]*?(-----END [^-]+-----|$)/g;
const URL_CREDENTIALS = /(\/\/)[^\s/?#]+@/g;
const NAMED_SECRET =
  /((?:access_token|id_token|refresh_token|client_secret|assertion|authorization|x-identity-header|password)["']?\s{0,9}[:=]\s{0,9})(?:(["'])(?:(?!\2).)*|(?:(?:Bearer|Basic)\s+)?[^\s"'&,}]+)/gi;
/** The beginning of a JSON object in base64url, which is how a token's header and payload begin. */
const TOKEN_START = /eyJ[\w-]{8,}(\.[\w-]*)*/g;
/** V8 quotes the beginning of what it could not parse. */
const JSON_SNIPPET = /(\.\.\.)?"[^"]*"(\.\.\.)?(?= is not valid JSON)/g;
const LONG_RUN = /[A-Za-z0-9_+/=~-]{20,}/g;

/** Our own text: what is recognisably a secret is replaced, names and paths stay readable. */
export function redact(text: string): string {
  let redacted = text;
  for (const name of SECRET_VARIABLES) {
    const value = process.env[name];
    if (value && value.length >= 4) redacted = redacted.replaceAll(value, REDACTED);
  }
  return redacted
    .replace(PEM_BLOCK, REDACTED)
    .replace(URL_CREDENTIALS, `$1${REDACTED}@`)
    .replace(NAMED_SECRET, `$1$2${REDACTED}`)
    .replace(TOKEN_START, REDACTED);
}

/** Text from elsewhere: also whatever looks random is replaced, and the rest cut to a readable length. */
export function scrub(text: string): string {
  const scrubbed = redact(text.slice(0, READ_LIMIT_CHARACTERS))
    .replace(JSON_SNIPPET, REDACTED)
    .replace(LONG_RUN, (run) => (run.split('/').some(looksRandom) ? REDACTED : run));
  return scrubbed.length > FOREIGN_TEXT_LIMIT_CHARACTERS
    ? `${scrubbed.slice(0, FOREIGN_TEXT_LIMIT_CHARACTERS)}…`
    : scrubbed;
}

const LONG_HEX = /^[0-9a-f]{40,}$/i;

/**
 * Random base64 mixes both cases and digits within a few characters; names, paths, host names and GUIDs, which
 * a message needs, do not.
 */
function looksRandom(piece: string): boolean {
  if (piece.length < 16 || UUID.test(piece)) return false;
  if (LONG_HEX.test(piece)) return true;
  return /[a-z]/.test(piece) && /[A-Z]/.test(piece) && /[0-9]/.test(piece);
}

/** What a thrown value says, whatever it is. */
export function textOf(thrown: unknown): string {
  try {
    const { message } = Object(thrown) as { message?: unknown };
    return typeof message === 'string' ? message : String(thrown);
  } catch {
    return 'it threw something that is no error';
  }
}

/** A fresh error that says what `cause` said and holds on to nothing of it. */
export function sanitizeCause(cause: unknown): Error {
  const { name, status, statusCode, code } = propertiesOf(cause);
  const copy: Error & { status?: number; code?: string | number } = new Error(scrub(textOf(cause)));
  Object.defineProperty(copy, 'name', {
    value: typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'Error',
    configurable: true,
    writable: true,
  });
  copy.stack = `${copy.name}: ${copy.message}`;
  const httpStatus = status ?? statusCode;
  if (typeof httpStatus === 'number') copy.status = httpStatus;
  if (typeof code === 'number') copy.code = code;
  if (typeof code === 'string') copy.code = scrub(code);
  return copy;
}

function propertiesOf(thrown: unknown): Record<string, unknown> {
  try {
    const { name, status, statusCode, code } = Object(thrown) as Record<string, unknown>;
    return { name, status, statusCode, code };
  } catch {
    return {}; // a getter threw
  }
}
