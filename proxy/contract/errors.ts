import { AppError, type InputFault } from '../lib/errors.ts';

interface ErrorRow {
  /** HTTP status of the control API */
  readonly status: number;
  /** what the caller reads */
  readonly message: string;
  /** what the caller, or the administrator, can do */
  readonly remedy: string;
}

/** Every error Postern can show: one row each; docs/reference/errors.md is generated from it. */
export const errorTable = {
  ERR_AUDIT_UNAVAILABLE: {
    status: 503,
    message: 'The audit log cannot be written, so nothing is forwarded.',
    remedy: 'Ask the administrator to check disk space and `postern status`.',
  },
  ERR_AUTHENTICATION_FAILED: {
    status: 401,
    message: 'The user name or the token is not valid.',
    remedy: 'Check the service account and its token; expired tokens must be replaced.',
  },
  ERR_ACCESS_DENIED: {
    status: 403,
    message: 'No policy permits this.',
    remedy: 'Ask the administrator; `postern policy explain` shows the deciding policies.',
  },
  ERR_APPROVAL_REQUIRED: {
    status: 403,
    message: 'This needs approval.',
    remedy: 'Send the same command again once the request is approved.',
  },
  ERR_NOT_APPROVED: { status: 403, message: 'The request was not approved.', remedy: 'See the reason, or ask the approvers.' },
  ERR_STATEMENT_UNPARSEABLE: {
    status: 403,
    message: 'The statement could not be parsed, so it is refused.',
    remedy: 'Correct the statement; what cannot be understood is never forwarded.',
  },
  ERR_STATEMENT_TOO_LARGE: {
    status: 413,
    message: 'The message is longer than this gateway accepts.',
    remedy: 'Split the statement, or raise the limit in the configuration.',
  },
  ERR_FEATURE_REFUSED: {
    status: 403,
    message: 'This protocol feature is refused by the gateway.',
    remedy: 'See docs/limits.md for what is supported and when.',
  },
  ERR_PROTOCOL_VIOLATION: { status: 400, message: 'The client broke the protocol.', remedy: 'Check the client and its version.' },
  ERR_MASKING_FAILED: {
    status: 500,
    message: 'A reply could not be masked, so the session was closed.',
    remedy: 'Ask the administrator to look at the service log.',
  },
  ERR_MASKED_BINARY: {
    status: 403,
    message: 'A masked column was asked for in binary format.',
    remedy: 'Ask for text format; binary formats of masked columns are refused.',
  },
  ERR_BODY_REFUSED: {
    status: 415,
    message: 'The body cannot be searched for card data, so it is not passed on.',
    remedy: 'Ask for a text format without compression, or ask the administrator what this resource may pass.',
  },
  ERR_TOOL_QUARANTINED: {
    status: 403,
    message: 'What the server offers under this name is new or was changed, and nobody agreed to it yet.',
    remedy: 'Ask the administrator to look at it: `postern tool list`.',
  },
  ERR_ORIGIN_REFUSED: {
    status: 403,
    message: 'The Host or Origin of the request is not one of this gateway.',
    remedy: 'Use the address the administrator gave you; web pages of other origins may not call it.',
  },
  ERR_PERMIT_SPENT: { status: 500, message: 'A permit was used twice.', remedy: 'Report this: it is a defect of the gateway.' },
  ERR_RESOURCE_UNKNOWN: {
    status: 404,
    message: 'There is no such resource, or you may not use it.',
    remedy: 'Check the database name: `resource` or `resource/database`.',
  },
  ERR_RECORDING_FAILED: {
    status: 503,
    message: 'The session can no longer be recorded, so it was closed.',
    remedy: 'Ask the administrator to check disk space.',
  },
  ERR_SESSION_ENDED: { status: 410, message: 'The session was ended by the gateway.', remedy: 'Connect again, or ask the administrator why it was ended.' },
  ERR_TARGET_UNREACHABLE: {
    status: 502,
    message: 'The target could not be reached or refused the credential.',
    remedy: 'Ask the administrator to test the resource.',
  },
  ERR_TIMEOUT: { status: 504, message: 'A deadline passed.', remedy: 'Try again; if it persists ask the administrator.' },
  ERR_CONTROL_UNAVAILABLE: { status: 503, message: 'The control process is not answering.', remedy: 'Try again in a few seconds.' },
  ERR_TOO_MANY_CONNECTIONS: { status: 429, message: 'Too many connections.', remedy: 'Close idle connections and try again.' },
  ERR_CONFLICT: { status: 409, message: 'It exists already, or was changed meanwhile.', remedy: 'Read it again and repeat the change.' },
  ERR_NOT_FOUND: { status: 404, message: 'There is no such thing.', remedy: 'Check the name.' },
  ERR_INVALID_INPUT: { status: 400, message: 'The input is not valid.', remedy: 'See the listed faults.' },
  ERR_POLICY_INVALID: { status: 400, message: 'The policy is not valid.', remedy: 'See line and column of each fault.' },
  ERR_FORBIDDEN: { status: 403, message: 'Your role does not allow this.', remedy: 'Ask an administrator.' },
  ERR_UNAUTHENTICATED: { status: 401, message: 'No valid credential was presented.', remedy: 'Send `Authorization: Bearer …`.' },
  ERR_VAULT_LOCKED: { status: 503, message: 'The vault is locked.', remedy: 'Give the key-encryption key (passphrase, systemd credential or key file).' },
  ERR_VAULT_DAMAGED: {
    status: 500,
    message: 'A stored secret failed its integrity check.',
    remedy: 'Store the credential again, and find out who changed the files of the vault.',
  },
  ERR_STATE_DAMAGED: {
    status: 500,
    message: 'The state database is damaged or does not follow the log.',
    remedy: 'Restart the service: the state is rebuilt from the audit log.',
  },
  ERR_VERIFICATION_FAILED: { status: 422, message: 'A proof does not hold.', remedy: 'The first bad record is named; keep the files and tell the auditor.' },
  ERR_INTERNAL: { status: 500, message: 'Something went wrong inside the gateway.', remedy: 'Ask the administrator to look at the service log.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** An AppError whose public message comes from the table, with an optional addition. */
export function fail(
  code: ErrorCode,
  more: { message?: string; detail?: string; hint?: string; faults?: readonly InputFault[]; cause?: unknown } = {},
): AppError<ErrorCode> {
  const row = errorTable[code];
  const { message, ...rest } = more;
  return new AppError(code, message ?? row.message, { hint: row.remedy, ...rest });
}

/** Anything thrown, as an AppError: unknown faults become ERR_INTERNAL with a private detail. */
export function asAppError(error: unknown): AppError<ErrorCode> {
  if (error instanceof AppError && error.code in errorTable) return error as AppError<ErrorCode>;
  return fail('ERR_INTERNAL', { detail: error instanceof Error ? (error.stack ?? error.message) : String(error), cause: error });
}
