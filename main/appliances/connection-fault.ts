import type { ClientRequest } from 'node:http';
import { TLSSocket } from 'node:tls';
import { errorTable, fail, type ErrorCode } from '../../proxy/contract/errors.ts';
import { AppError } from '../../proxy/lib/errors.ts';

/** The certificate was not from the pinned authority: nothing was sent. */
export class RefusedCertificate extends AppError<ErrorCode> {
  constructor(url: string, reason: string) {
    super('ERR_VERIFICATION_FAILED', `${url} shows a certificate that is not from the pinned authority (${reason}), so nothing was sent.`, {
      hint: 'Somebody may stand in between. If the service was set up anew, ask the administrator for a new invitation.',
    });
  }
}

/** What kept a request from its answer, in our words. */
export function connectionFault(error: Error, sent: ClientRequest, url: string): AppError {
  if (error instanceof AppError) return error as AppError;
  const why = refusal(sent);
  if (why !== null) return new RefusedCertificate(url, why);
  return lostConnection(error, url);
}

/** Why the other side's certificate was refused; null: it was not. */
function refusal({ socket }: ClientRequest): string | null {
  // typed as never empty, though it is while no socket was assigned, and on success
  const why: unknown = socket instanceof TLSSocket ? socket.authorizationError : null;
  if (why === null || why === undefined || why === '') return null;
  return why instanceof Error ? why.message : typeof why === 'string' ? why : 'not trusted';
}

/** Faults of the connection by our own name; all others as they are. */
export function brokenOff(error: unknown, url: string): unknown {
  return error instanceof Error && !(error instanceof AppError) && 'code' in error ? lostConnection(error, url) : error;
}

function lostConnection(error: Error, url: string): AppError {
  if ('code' in error && typeof error.code === 'string' && Object.hasOwn(errorTable, error.code)) return fail(error.code as ErrorCode);
  const refused = 'code' in error && error.code === 'ECONNREFUSED';
  return fail('ERR_CONTROL_UNAVAILABLE', {
    message: refused ? `Nothing answers at ${url}.` : `The connection to ${url} failed: ${error.message}`,
    hint: 'It is tried again by itself; check the network and the service.',
    cause: error,
  });
}

/** Whether a fault goes away by itself. */
export function passes(error: unknown): boolean {
  return error instanceof AppError && (error.code === 'ERR_CONTROL_UNAVAILABLE' || error.code === 'ERR_TIMEOUT' || error.code === 'ERR_TOO_MANY_CONNECTIONS');
}
