import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createClassifier, loadParser } from '../../proxy/engines/postgres/classify.ts';
import { outlineOf } from '../../proxy/engines/postgres/classify-outline.ts';
import { loadGrammar } from '../../proxy/engines/postgres/classify-parser.ts';
import type { Classified, Statement } from '../../proxy/engines/postgres/statement.ts';
import { Scanner } from '../../proxy/engines/postgres/template-scanner.ts';
import { sampleCatalogue } from '../support/sample-catalogue.ts';

/** statements per run; the nightly run sets 1,000,000 */
const cases = 100_000;
const corpusPerShape = 40;

const parser = await loadParser();
const grammar = await loadGrammar();
const catalogue = sampleCatalogue();

/** A small, fast generator: fast-check's own would dominate the run. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Pick = (below: number) => number;

const shapes = [
  'select pan from payments.cards where id = # and owner = @',
  'select * from t where a in (#, #, @) order by # limit #',
  'select a+#, -#, b||@ from t tablesample system(#)',
  'insert into payments.cards (id, pan, cvv) values (#, @, @), (#, @, @)',
  'update t set a = #, b = @ where c between # and #',
  'delete from t where a = # and b like @',
  'with q as (select # as n from t where b = @) select n from q where n > #',
  'select case when a > # then @ else @ end, count(*) filter (where b = #) from t group by #',
  'select @::int, cast(@ as text), interval @, date @ from t',
  'select cast(# as numeric(#,#)), #::float(#), @::varchar(#)',
  'select a[#], b[#:#], array[#, #] from t',
  'select set_config(@, @, false)',
  'explain (analyze #) select # from t',
  'explain (costs @) select # from t',
  'merge into t using payments.orders o on t.a = o.id when matched and o.amount > # then update set b = @ when not matched then insert (a) values (#)',
  'select # from t where b = @ union all select # from t where a = #',
  'select steal(#), lower(@), pg_sleep(#)',
  'select extract(@ from now()), substring(@ from # for #), overlay(@ placing @ from #)',
  'select @ @, # #',
  'set work_mem = #',
  'set client_encoding = @',
  'do @',
  'copy t to @',
  'prepare p as select #',
  'select * from xmltable(@ passing @ columns a int path @)',
  "select json_query('{}', @ default @ on empty)",
  'begin; select #; commit',
  'create table x (a int default #)',
] as const;

const gaps = [' ', '  ', '\n', '\t ', ' -- c\n', '/*c*/', ' /* @ # */ ', ' --\r\n'];
const texts = [
  "''",
  "'a'",
  "'a''b'",
  "'\\'",
  "'4111111111111111'",
  "'off'",
  "'utf8'",
  "'role'",
  "'day'",
  '$$x$$',
  "$t$it's$t$",
  "E'\\''",
  "e'x'",
  "'a'\n'b'",
  "U&'\\0041'",
  "N'x'",
  "B'1'",
  "x'1F'",
  "'ä'",
  "'--'",
  "'/*'",
  '$1',
  "'{}'",
  '$$',
  "'",
];
const numbers = [
  '0',
  '1',
  '42',
  '1.5',
  '.5',
  '5.',
  '1e5',
  '1E-5',
  '1.5e+3',
  '0x1F',
  '0b1',
  '0o7',
  '1_000',
  '2147483648',
  '98765432109876543210',
  '$1',
  '$2',
  '1a',
  '1..2',
  '-7',
  '+3',
  '00',
  '1e',
  '1.e1',
];

/** Texts on which a wrong lexer takes code for a literal, or a literal for code. */
const traps = [
  "E'\\'', pg_sleep(1) --'",
  "'\\', pg_sleep(1) --'",
  "'x' /* ' /* */ ' */ , steal(1) --'",
  "$a$'$a$, pg_sleep(1) --'",
  '$$ $a$ $$, steal(1) --$a$',
  '"\'" , pg_sleep(1) --\'',
  "U&'\\', pg_sleep(1) --'",
  'a$b$, steal(1), b$b$',
  "'a'--\n, pg_sleep(1) --'",
  "1 --'\n, pg_sleep(1) --'",
  '"a""\'", steal(1) --\'',
  "'x'\n'\\', steal(1) --'",
  "E'x'\n'\\'', steal(1) --'",
];

function chosen(from: readonly string[], pick: Pick): string {
  // mostly the plain ones, so that many texts parse
  return from[pick(pick(4) === 0 ? from.length : 8)] ?? '';
}

function piece(character: string, pick: Pick): string {
  if (character === '@' || character === '#') {
    if (pick(12) === 0) return traps[pick(traps.length)] ?? '';
    return chosen(character === '@' ? texts : numbers, pick);
  }
  if (character === ' ') return pick(6) === 0 ? (gaps[pick(gaps.length)] ?? '') : ' ';
  return pick(500) === 0 ? '' : character;
}

function fill(shape: string, pick: Pick): string {
  let text = '';
  for (const character of shape) text += piece(character, pick);
  return text;
}

function factsOf(found: Classified): string {
  if (!('facts' in found)) return found.code;
  const { acts, effect, context } = found.facts;
  return JSON.stringify([acts, effect, context, found.executes, found.deallocates, found.altersCatalogue, lineage(found)]);
}

function lineage(statement: Statement): unknown {
  return [0, 1, 2, 9].map((at) => statement.reads(at, 'x'));
}

describe('the template cache', () => {
  it('gives what a fresh parse gives, and never joins shapes with different fingerprints', { timeout: 600_000 }, () => {
    const pick = random(20_260_721);
    const shared = createClassifier(catalogue, { parser });
    const prints = new Map<Statement, string | null>();
    let hits = 0;
    for (let count = 0; count < cases; ) {
      // each fresh classifier sees a statement that no template was learnt for
      const fresh = createClassifier(catalogue, { parser, inlineBytes: 2_048 });
      for (let at = 0; at < corpusPerShape; at++, count++) {
        const sql = Buffer.from(fill(shapes[pick(shapes.length)] ?? '', pick));
        const found = shared.classify(sql);
        if (found instanceof Promise || !('facts' in found)) continue;
        const print = grammar.fingerprint(sql);
        const known = prints.get(found);
        if (known === undefined) prints.set(found, print);
        else hits++;
        if (known !== undefined && known !== print) expect.unreachable(`one template, two fingerprints: ${sql.toString()}`);
        if (at % 8 === 0) {
          const alone = fresh.classify(sql);
          if (!(alone instanceof Promise) && factsOf(alone) !== factsOf(found)) expect.unreachable(`other facts: ${sql.toString()}`);
        }
      }
    }
    // else the test would prove nothing
    expect(hits).toBeGreaterThan(cases / 10);
  });
});

describe('the normalised text', () => {
  it('is the same only for texts with equal facts and fingerprints, also without the proof', { timeout: 600_000 }, () => {
    const pick = random(7);
    const scanner = new Scanner(4_096);
    const seen = new Map<string, string>();
    let joined = 0;
    for (let count = 0; count < cases / 4; count++) {
      const sql = Buffer.from(fill(shapes[pick(shapes.length)] ?? '', pick));
      scanner.scan(sql);
      if (scanner.unusual || scanner.fault !== null) continue;
      const key = scanner.out.toString('latin1', 0, scanner.length);
      const outline = outlineOf(grammar, scanner, sql, catalogue);
      if ('code' in outline || !outline.analysis.isTemplate) continue;
      const facts = JSON.stringify([grammar.fingerprint(sql), { ...outline.analysis, literals: [] }, [...outline.columns]]);
      const known = seen.get(key);
      if (known === undefined) {
        seen.set(key, facts);
        // `float(0)` alone is no syntax
        const same = key.includes('float(') || grammar.fingerprint(Buffer.from(key, 'latin1')) === grammar.fingerprint(sql);
        if (!same) expect.unreachable(`normalised to another shape: ${sql.toString()} → ${key}`);
      } else joined++;
      if (known !== undefined && known !== facts) expect.unreachable(`one key, other facts: ${sql.toString()}`);
    }
    expect(joined).toBeGreaterThan(cases / 80);
  });
});

describe('the scanner', () => {
  const scanner = new Scanner(4_096);
  const alphabet = fc.constantFrom(
    "'",
    '"',
    '$',
    '\\',
    '-',
    '/',
    '*',
    '\n',
    ' ',
    '.',
    '0',
    '7',
    'e',
    'E',
    'u',
    '&',
    'a',
    'x',
    '_',
    '(',
    ')',
    '[',
    ']',
    ';',
    ',',
    '+',
    'ä',
    '\0',
    '$a$',
    '--',
    '/*',
    '*/',
    "''",
    'select ',
  );

  it('marks in order, inside the text, and terminates on any text', () => {
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 60 }), (parts) => {
        const sql = Buffer.from(parts.join(''));
        scanner.scan(sql);
        let last = 0;
        for (let at = 0; at < scanner.markCount; at++) {
          const start = scanner.marks[3 * at] ?? -1;
          const end = scanner.marks[3 * at + 1] ?? -1;
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          expect(end).toBeLessThanOrEqual(sql.length);
          last = end;
        }
        if (scanner.fault === null) expect(sql.includes(0)).toBe(false);
        expect(scanner.length).toBeLessThanOrEqual(2 * sql.length + 16);
      }),
      { numRuns: 3_000 },
    );
  });

  it('normalises to a text that the parser reads as the same shape', () => {
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 25 }), (parts) => {
        const sql = Buffer.from(`select ${parts.join('')}`);
        scanner.scan(sql);
        if (scanner.unusual || scanner.fault !== null) return;
        const normalised = Buffer.from(scanner.out.subarray(0, scanner.length));
        const print = grammar.fingerprint(sql);
        if (print !== null) expect(grammar.fingerprint(normalised)).toBe(print);
      }),
      { numRuns: 5_000 },
    );
  });

  it('keeps every value out of the syntax spans', async () => {
    const classifier = createClassifier(catalogue, { parser });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
        const pick = random(seed);
        const sql = fill(shapes[pick(shapes.length)] ?? '', pick).replaceAll(/4111111111111111|42/g, '5500005555555559');
        const found = await classifier.classify(Buffer.from(sql));
        if (!('facts' in found)) return;
        for (const span of found.spans(sql)) if (span.kind === 'text') expect(span.text).not.toContain('5500005555555559');
        expect(found.facts.template).not.toContain('5500005555555559');
      }),
      { numRuns: 2_000 },
    );
  });
});
