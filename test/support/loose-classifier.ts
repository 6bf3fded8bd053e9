import type { Effect } from '../../proxy/contract/operation.ts';
import type { Catalogue, Classified, Classifier, Statement } from '../../proxy/engines/postgres/statement.ts';

/** Classifies by the first word: enough for tests of the engine, never for a product. */
export function looseClassifier(): Classifier {
  const known = new Map<string, Statement>();
  const classify = (sql: Uint8Array): Classified => {
    const text = Buffer.from(sql).toString('utf8');
    if (/^\s*copy\b/i.test(text)) return { code: 'ERR_FEATURE_REFUSED', kind: 'copy', message: 'COPY is refused.' };
    if (text.includes('unparseable')) return { code: 'ERR_STATEMENT_UNPARSEABLE', kind: 'syntax', message: 'syntax error' };
    let statement = known.get(text);
    if (statement === undefined) known.set(text, (statement = statementOf(text, classify)));
    return statement;
  };
  return {
    classify: (sql) =>
      Buffer.from(sql).includes('/*slow*/')
        ? new Promise((resolve) =>
            setTimeout(() => {
              resolve(classify(sql));
            }, 5),
          )
        : classify(sql),
  };
}

const word = (text: string, pattern: RegExp): string | null => pattern.exec(text)?.[1]?.toLowerCase() ?? null;

function effectOf(kind: string): Effect {
  if (kind === 'select' || kind === 'values') return 'read';
  return ['begin', 'commit', 'rollback', 'set', 'prepare'].includes(kind) ? 'none' : 'write';
}

function statementOf(text: string, classify: (sql: Uint8Array) => Classified): Statement {
  const kind = word(text, /^\s*([a-z]+)/i) ?? '';
  const [, name = '', body = ''] = /^\s*prepare\s+(\w+)\s+as\s+(.*)$/is.exec(text) ?? [];
  const inner = body === '' ? null : classify(Buffer.from(body));
  return {
    facts: {
      acts: [],
      effect: effectOf(kind),
      template: text,
      context: { kind, statements: 1, has_where: false, tables: [], columns: [], functions: [], has_limit: false },
    },
    prepares: inner !== null && 'facts' in inner ? { name: name.toLowerCase(), statement: inner } : null,
    executes: word(text, /^\s*execute\s+(\w+)/i),
    deallocates: /^\s*(?:deallocate\s+all\b|discard\s+all)/i.test(text) ? '*' : word(text, /^\s*deallocate\s+(\w+)/i),
    declares: word(text, /^\s*declare\s+(\w+)/i),
    altersCatalogue: ['create', 'alter', 'drop'].includes(kind),
    reads: () => null,
    quotes: () => [],
    evaluates: false,
    spans: (sql) => [{ kind: 'text', text: sql }],
  };
}

/** A catalogue that knows the user tables of a database by OID. */
export async function looseCatalogue(query: (sql: string) => Promise<readonly (readonly (string | null)[])[]>): Promise<Catalogue> {
  const rows = await query(
    "select c.oid, n.nspname, c.relname, a.attnum, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid where a.attnum > 0 and c.relkind in ('r','v','m','p')",
  );
  const columns = new Map(
    rows.map(([oid, schema, table, attribute, column]) => [
      `${String(oid)}.${String(attribute)}`,
      { schema: schema ?? '', table: table ?? '', column: column ?? '' },
    ]),
  );
  return {
    epoch: columns.size,
    origin: (oid, attribute) => columns.get(`${String(oid)}.${String(attribute)}`) ?? null,
    relations: () => [],
    isUserFunction: () => false,
    hasUserOperators: false,
  };
}
