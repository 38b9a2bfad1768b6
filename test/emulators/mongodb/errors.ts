/** The errors a server answers with. */
import type { Document } from 'bson';

/** https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
const CODE_NAMES: Record<number, string> = {
  1: 'InternalError',
  2: 'BadValue',
  6: 'HostUnreachable',
  7: 'HostNotFound',
  9: 'FailedToParse',
  11: 'UserNotFound',
  13: 'Unauthorized',
  14: 'TypeMismatch',
  17: 'ProtocolError',
  18: 'AuthenticationFailed',
  20: 'IllegalOperation',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  48: 'NamespaceExists',
  50: 'MaxTimeMSExpired',
  59: 'CommandNotFound',
  66: 'ImmutableField',
  72: 'InvalidOptions',
  73: 'InvalidNamespace',
  85: 'IndexOptionsConflict',
  86: 'IndexKeySpecsConflict',
  89: 'NetworkTimeout',
  91: 'ShutdownInProgress',
  112: 'WriteConflict',
  189: 'PrimarySteppedDown',
  237: 'CursorKilled',
  238: 'NotImplemented',
  251: 'NoSuchTransaction',
  262: 'ExceededTimeLimit',
  286: 'ChangeStreamHistoryLost',
  334: 'MechanismUnavailable',
  352: 'UnsupportedOpQueryCommand',
  391: 'ReauthenticationRequired',
  462: 'IngressRequestRateLimitExceeded',
  9001: 'SocketException',
  10107: 'NotWritablePrimary',
  11000: 'DuplicateKey',
  11600: 'InterruptedAtShutdown',
  11602: 'InterruptedDueToReplStateChange',
  13388: 'StaleConfig',
  13435: 'NotPrimaryNoSecondaryOk',
  13436: 'NotPrimaryOrSecondary',
};

/**
 * Drivers retry a write only where the server says so by label.
 * https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
 */
const RETRYABLE_CODES = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);

export class CommandError extends Error {
  constructor(
    readonly code: number,
    message: string,
    /** Further fields of the reply, as `keyValue` of a duplicate key. */
    readonly fields: Document = {},
  ) {
    super(message);
  }
}

/** The reply to `command` that says what went wrong. */
export function errorReply(error: CommandError, command: Document): Document {
  const { code, message, fields } = error;
  const reply: Document = {
    ok: 0,
    errmsg: message,
    code,
    codeName: CODE_NAMES[code] ?? `Location${code}`,
    ...fields,
  };
  if (RETRYABLE_CODES.has(code) && command.txnNumber !== undefined && command.autocommit === undefined) {
    reply.errorLabels = ['RetryableWriteError'];
  }
  return reply;
}
