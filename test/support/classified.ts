import { createClassifier, loadParser } from '../../proxy/engines/postgres/classify.ts';
import type { SqlParser } from '../../proxy/engines/postgres/classify.ts';
import type { Catalogue, Classified, Statement } from '../../proxy/engines/postgres/statement.ts';
import { isStatement } from '../../proxy/engines/postgres/statement.ts';
import { sampleCatalogue } from './sample-catalogue.ts';

let parser: Promise<SqlParser> | undefined;

/** One parser for all tests of a file. */
export function sharedParser(): Promise<SqlParser> {
  parser ??= loadParser();
  return parser;
}

export async function classified(sql: string | Uint8Array, catalogue: Catalogue = sampleCatalogue()): Promise<Classified> {
  const classifier = createClassifier(catalogue, { parser: await sharedParser() });
  return classifier.classify(typeof sql === 'string' ? Buffer.from(sql) : sql);
}

/** A statement that must be one. */
export async function statementOf(sql: string, catalogue?: Catalogue): Promise<Statement> {
  const found = await classified(sql, catalogue);
  if (!isStatement(found)) throw new TypeError(`${found.code} ${found.kind}`);
  return found;
}

/** `kind effect flags: acts`, or the refusal's code and kind. */
export async function classifiedAs(sql: string, catalogue?: Catalogue): Promise<string> {
  const found = await classified(sql, catalogue);
  if (!isStatement(found)) return `${found.code} ${found.kind}`;
  const { context, effect, acts } = found.facts;
  const flags = `${context.has_where ? ' where' : ''}${context.has_limit ? ' limit' : ''}`;
  const list = acts.map((act) => `${act.action.slice(4)} ${act.object.type} ${act.object.path.join('.')}`);
  return `${context.kind} ${effect}${flags}: ${list.join(', ')}`.trim();
}
