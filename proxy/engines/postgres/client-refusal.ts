import { fail, type ErrorCode } from '../../contract/errors.ts';
import type { AppError } from '../../lib/errors.ts';
import { parseReport } from './frames.ts';

/** SQLSTATEs of a refused connection that tell the caller something useful and nothing secret. */
const tellable = new Map([
  ['3D000', 'The database does not exist at the target.'],
  ['53300', 'The target has too many connections.'],
  ['57P03', 'The target is starting up or shutting down.'],
]);

export function targetRefused(bytes: Buffer): AppError<ErrorCode> {
  const fields = parseReport(bytes, 0, bytes.length);
  const field = (code: string): string => fields.find((one) => one.code === code.charCodeAt(0))?.value.toString('utf8') ?? '';
  const message = tellable.get(field('C'));
  return fail('ERR_TARGET_UNREACHABLE', {
    ...(message === undefined ? {} : { message }),
    detail: `the target refused: ${field('C')} ${field('M')}`.slice(0, 500),
  });
}

/** The SQLSTATE for a caller whose connection failed with `message`. */
export function sqlstateOfUnreachable(message: string): string {
  for (const [sqlstate, text] of tellable) if (text === message) return sqlstate;
  return '08006';
}
