import { AppError } from '../../lib/errors.ts';
import { asAppError } from '../../contract/errors.ts';
import { displayed } from './template.ts';
import type { Scanner } from './template-scanner.ts';
import type { Catalogue, Unclassified } from './statement.ts';
import type { Parsed, Parser } from './classify-parser.ts';
import { ordinalColumns, unclassified } from './classify-statement.ts';
import type { Outline } from './classify-statement.ts';
import { analyse } from './facts.ts';
import { replicationCommands } from './facts-kinds.ts';

/** Long templates are cut: logs show the beginning. */
const maxTemplate = 16_384;

/** Parses and analyses one text that the scanner holds. Never throws. */
export function outlineOf(parser: Parser, scanner: Scanner, sql: Buffer, catalogue: Catalogue): Outline | Unclassified {
  return outlineFrom(parser.parse(sql), scanner, sql, catalogue);
}

export function outlineFrom(parsed: Parsed, scanner: Scanner, sql: Buffer, catalogue: Catalogue): Outline | Unclassified {
  if ('fault' in parsed) return parsed.fault === 'crash' ? tooDeep : notParsed(sql, parsed.message);
  try {
    const analysis = analyse(parsed.statements, catalogue);
    const template = displayed(scanner, sql);
    return {
      analysis,
      template: template.length > maxTemplate ? `${template.slice(0, maxTemplate)}…` : template,
      columns: ordinalColumns(scanner, sql, analysis.literals),
    };
  } catch (error) {
    return refusalOf(error);
  }
}

const tooDeep = unclassified('ERR_STATEMENT_TOO_LARGE', 'nesting', 'The statement is too complex.');

function refusalOf(error: unknown): Unclassified {
  if (error instanceof RangeError) return tooDeep;
  const known = asAppError(error);
  const kind = error instanceof AppError ? (known.detail ?? 'unknown') : 'unknown';
  return unclassified(known.code, kind, known.message);
}

function notParsed(sql: Buffer, message: string): Unclassified {
  const word = /^\s*([a-z_]+)/i.exec(sql.toString('latin1', 0, 64))?.[1]?.toLowerCase() ?? '';
  if (replicationCommands.has(word)) return unclassified('ERR_FEATURE_REFUSED', 'replication', 'Replication commands are refused by the gateway.');
  // what stands behind `at or near` is the statement's own text
  const [reason = ''] = message.split(' at or near ');
  return unclassified('ERR_STATEMENT_UNPARSEABLE', 'unparseable', `The statement could not be parsed, so it is refused: ${reason}.`);
}
