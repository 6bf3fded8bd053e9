import type { ErrorCode } from '../../contract/errors.ts';
import { asAppError } from '../../contract/errors.ts';
import type { Denial } from '../../pipeline/engine.ts';
import { sqlstateOfUnreachable } from './client-refusal.ts';
import { parseReport } from './frames.ts';
import { cstring, frame, report } from './messages.ts';

/** Our errors in PostgreSQL's codes: https://www.postgresql.org/docs/18/errcodes-appendix.html */
const sqlstates: Partial<Record<ErrorCode, string>> = {
  ERR_ACCESS_DENIED: '42501',
  ERR_APPROVAL_REQUIRED: '42501',
  ERR_NOT_APPROVED: '42501',
  ERR_MASKED_BINARY: '42501',
  ERR_STATEMENT_UNPARSEABLE: '42601',
  ERR_STATEMENT_TOO_LARGE: '54000',
  ERR_FEATURE_REFUSED: '0A000',
  ERR_PROTOCOL_VIOLATION: '08P01',
  ERR_AUTHENTICATION_FAILED: '28P01',
  ERR_RESOURCE_UNKNOWN: '3D000',
  ERR_TOO_MANY_CONNECTIONS: '53300',
  ERR_SESSION_ENDED: '57P01',
  ERR_TARGET_UNREACHABLE: '08006',
  ERR_TIMEOUT: '57014',
  ERR_AUDIT_UNAVAILABLE: '58030',
  ERR_RECORDING_FAILED: '58030',
  ERR_CONTROL_UNAVAILABLE: '57P03',
  ERR_VAULT_LOCKED: '57P03',
};

export function sqlstateOf(code: ErrorCode): string {
  return sqlstates[code] ?? 'XX000';
}

/** A refused command, as the client reads it. */
export function denialFrame(denial: Denial): Buffer {
  const detail = denial.policies.length === 0 ? undefined : `policy: ${denial.policies.join(', ')}`;
  return report({
    severity: 'ERROR',
    sqlstate: sqlstateOf(denial.code),
    message: denial.message,
    hint: denial.hint,
    ...(detail === undefined ? {} : { detail }),
  });
}

/** The last message of a session that ends by our doing. */
export function fatalFrame(error: unknown): Buffer {
  const fault = asAppError(error);
  const sqlstate = fault.code === 'ERR_TARGET_UNREACHABLE' ? sqlstateOfUnreachable(fault.message) : sqlstateOf(fault.code);
  return report({ severity: 'FATAL', sqlstate, message: fault.message, ...(fault.hint === undefined ? {} : { hint: fault.hint }) });
}

export function denialOf(error: unknown): Denial {
  const fault = asAppError(error);
  return { code: fault.code, message: fault.message, hint: fault.hint ?? '', policies: [] };
}

/** Fields that the target itself fills, with nothing of its data: S, V, C, P, p, F, L, R. */
const plainFields = new Set(Array.from('SVCPpFLR', (letter) => letter.charCodeAt(0)));
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The frame with its texts masked: null when nothing changes, so that the very bytes of the target go on. */
export function maskReport(buffer: Buffer, start: number, end: number, mask: (text: string) => string): Buffer | null {
  const fields = parseReport(buffer, start, end);
  const masked = fields.map(({ code, value }) => (plainFields.has(code) ? value : maskBytes(value, mask)));
  if (masked.every((value, index) => value === fields[index]?.value)) return null;
  const parts = masked.flatMap((value, index) => [Buffer.from([fields[index]?.code ?? 0]), value, Buffer.from([0])]);
  return frame(buffer[start] ?? 0, ...parts, Buffer.from([0]));
}

/** SQLSTATEs, or classes of them, whose messages hold no values: of transactions, cursors, locks, resources, and of what is plainly wrong. */
const wordless = new Set(
  '02 08 21 23 24 25 26 2D 34 3B 40 53 54 55 57 22001 22012 42501 42701 42710 42723 42809 42830 42939 42P03 42P04 42P05 42P06 42P07 42P16 42P17'.split(' '),
);
const position = 0x50;
const messageField = 0x4d;
const sqlstateField = 0x43;
const hiddenText = 'the text of this message is hidden: the statement reads tagged columns';
/** D, H, W, q: what values are in */
const quoting = new Set(Array.from('DHWq', (letter) => letter.charCodeAt(0)));

/**
 * A report about a statement that reads tagged columns, without the texts in which the target could quote a value: `(cvv || 'x')::int`. What
 * has a position in the statement comes from its text alone. Null: nothing had to be hidden. `names`: unknown names are shown, too.
 */
export function hideReport(bytes: Buffer, names: boolean): Buffer | null {
  const fields = parseReport(bytes, 0, bytes.length);
  const sqlstate = fields.find(({ code }) => code === sqlstateField)?.value.toString('latin1') ?? '';
  if (fields.some(({ code }) => code === position)) return null;
  const sayable = wordless.has(sqlstate) || wordless.has(sqlstate.slice(0, 2)) || (names && sqlstate.startsWith('42'));
  const message = Buffer.from(`${hiddenText} (SQLSTATE ${sqlstate.replaceAll(/[^0-9A-Z]/g, '?')})`);
  const kept = fields.filter(({ code }) => !quoting.has(code)).map((field) => (field.code === messageField && !sayable ? { ...field, value: message } : field));
  return frame(bytes[0] ?? 0, ...kept.flatMap(({ code, value }) => [Buffer.from([code]), value, Buffer.from([0])]), Buffer.from([0]));
}

/** The same buffer when nothing changes. Text that is no UTF-8 is masked byte by byte. */
export function maskBytes(value: Buffer, mask: (text: string) => string): Buffer {
  let text: string;
  let encoding: BufferEncoding = 'utf8';
  try {
    text = decoder.decode(value);
  } catch {
    text = value.toString('latin1');
    encoding = 'latin1';
  }
  const masked = mask(text);
  return masked === text ? value : Buffer.from(masked, encoding);
}

/** A ParameterStatus with its value masked; null when nothing changes. */
export function maskParameter(type: number, name: string, value: string, mask: (text: string) => string): Buffer | null {
  const masked = mask(value);
  return masked === value ? null : frame(type, cstring(name), cstring(masked));
}

/** What an ErrorResponse says; absent fields are empty. */
export function messageOf(buffer: Buffer, start: number, end: number): { severity: string; sqlstate: string; message: string } {
  const fields = parseReport(buffer, start, end);
  const field = (letter: string): string => fields.find((one) => one.code === letter.charCodeAt(0))?.value.toString('utf8') ?? '';
  return { severity: field('V'), sqlstate: field('C'), message: field('M') };
}
