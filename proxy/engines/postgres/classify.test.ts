import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { classified, classifiedAs, sharedParser, statementOf } from '../../../test/support/classified.ts';
import { sampleCatalogue } from '../../../test/support/sample-catalogue.ts';
import { createClassifier, loadParser } from './classify.ts';

describe('templates', () => {
  it('gives one statement object for all literals of a proven shape', async () => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser() });
    const first = await classifier.classify(Buffer.from("select pan from payments.cards where id = 17 and owner = 'a''b'"));
    const second = classifier.classify(Buffer.from("select  pan from payments.cards -- again\n where id = 99.5e3 and owner = ''"));
    expect(second).toBe(first);
  });

  it('gives one facts object when only the exact text may be the key', async () => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser() });
    const first = await classifier.classify(Buffer.from("select a from t where b = E'1'"));
    const second = await classifier.classify(Buffer.from("select a from t where b = E'2'"));
    expect(second).not.toBe(first);
    expect('facts' in first && 'facts' in second && first.facts === second.facts).toBe(true);
  });

  it.each([
    ["select set_config('work_mem', '1', false)", "select set_config('role', '1', false)"],
    ["select set_config('work_mem', '1', false)", "select set_config('client_encoding', '1', false)"],
    ['explain (analyze 1) select 1', 'explain (analyze 0) select 1'],
    ['select 1::float(3)', 'select 1::float(30)'],
    ["select 'a' 'b'", "select 'a'\n'b'"],
    ["select e'a'", "select E 'a'"],
    ['select 1 from t limit 1', 'select 1 from t limit all'],
    ['select $1.5', 'select $10'],
    ['select t.5 from t', 'select t0 from t'],
  ])('keeps apart %s and %s', async (one, other) => {
    const together = createClassifier(sampleCatalogue(), { parser: await sharedParser() });
    await together.classify(Buffer.from(one));
    expect(await outcome(together.classify(Buffer.from(other)))).toBe(await outcome(classified(other)));
  });

  it('shows literals nowhere in the template', async () => {
    const statement = await statementOf("select /* 4111111111111111 */ 4111111111111111, '5500005555555559', $$x$$, E'\\x34', \"4111111111111111\" from t");
    expect(statement.facts.template).toBe('select ?, ?, ?, ?, "?" from t');
  });
});

async function outcome(found: ReturnType<typeof classified> | ReturnType<ReturnType<typeof createClassifier>['classify']>): Promise<string> {
  const settled = await found;
  return JSON.stringify('facts' in settled ? { ...settled.facts, template: '' } : settled.code);
}

describe('effect', () => {
  it('is never read when users defined operators', async () => {
    expect(await classifiedAs('select a from t', sampleCatalogue({ hasUserOperators: true }))).toBe('select unknown: select Table public.t');
  });

  it('is read for built-ins that no user function hides', async () => {
    expect(await classifiedAs("select lower('A')", sampleCatalogue({ withoutFunctions: true }))).toBe('select read:');
  });
});

describe('prepared statements', () => {
  it('gives name and inner statement of PREPARE', async () => {
    const statement = await statementOf('prepare p as delete from t where a = $1');
    expect(statement.prepares?.name).toBe('p');
    expect(statement.prepares?.statement.facts.effect).toBe('write');
    expect(statement.facts.effect).toBe('none');
  });

  it('names what EXECUTE, DEALLOCATE and DISCARD mean', async () => {
    expect((await statementOf('execute "P"(1)')).executes).toBe('P');
    expect((await statementOf('deallocate p')).deallocates).toBe('p');
    expect((await statementOf('deallocate all')).deallocates).toBe('*');
    expect((await statementOf('discard all')).deallocates).toBe('*');
    expect((await statementOf('discard temp')).deallocates).toBeNull();
  });

  it('knows what changes the catalogue', async () => {
    for (const sql of ['create table x ()', 'select 1 into x', 'drop table t', 'alter table t add d int', 'do $$ $$', 'begin; drop table t; commit']) {
      expect((await statementOf(sql)).altersCatalogue, sql).toBe(true);
    }
    for (const sql of ['select 1', 'delete from t', 'explain create table x as select 1', 'truncate t']) {
      expect((await statementOf(sql)).altersCatalogue, sql).toBe(false);
    }
  });
});

describe('hostile texts', () => {
  it.each([
    ['a NUL', Buffer.from('select 1\0drop table t')],
    ['a NUL in a literal', Buffer.from("select '\0'")],
    ['a NUL in a comment', Buffer.from('select 1 -- \0')],
    ['bytes that are not UTF-8', Buffer.from([0x73, 0x65, 0x6c, 0x65, 0x63, 0x74, 0x20, 0x27, 0xff, 0x27])],
    ['a run of operators', Buffer.from(`select 1 ${'+'.repeat(1_000)} 1`)],
  ])('refuses %s', async (_, sql) => {
    expect(await classified(sql)).toMatchObject({ code: 'ERR_STATEMENT_UNPARSEABLE' });
  });

  it('checks the encoding on a template hit too', async () => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser() });
    await classifier.classify(Buffer.from("select 'ä'"));
    expect(await classifier.classify(Buffer.from([0x73, 0x65, 0x6c, 0x65, 0x63, 0x74, 0x20, 0x27, 0xff, 0x27]))).toMatchObject({ kind: 'encoding' });
  });

  it('refuses a text above the cap', async () => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser(), maxBytes: 100_000 });
    expect(classifier.classify(Buffer.alloc(100_001, 0x20))).toMatchObject({ code: 'ERR_STATEMENT_TOO_LARGE' });
  });

  it.each<[string, (depth: number) => string]>([
    ['parentheses', (n) => `select ${'('.repeat(n)}1${')'.repeat(n)}`],
    ['brackets', (n) => `select array${'['.repeat(n)}1${']'.repeat(n)}`],
    ['NOT', (n) => `select ${'not '.repeat(n)}true`],
    ['signs', (n) => `select ${'- '.repeat(n)}a`],
    ['sums', (n) => `select 1${'+1'.repeat(n)}`],
    ['casts', (n) => `select 1${'::int'.repeat(n)}`],
    ['subqueries', (n) => `select ${'(select '.repeat(n)}1${')'.repeat(n)}`],
    ['CASE', (n) => `select ${'case when true then '.repeat(n)}1${' end'.repeat(n)}`],
    ['UNION', (n) => `select 1${' union select 1'.repeat(n)}`],
    ['joins', (n) => `select 1 from t${' cross join t'.repeat(n)}`],
    ['comments', (n) => `select ${'/*'.repeat(n)}${'*/'.repeat(n)} 1`],
    ['statements', (n) => 'select 1;'.repeat(n)],
  ])('survives nested %s', async (_, build) => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser() });
    for (const depth of [100, 900, 12_000]) {
      const found = await classifier.classify(Buffer.from(build(depth)));
      expect('facts' in found || /^ERR_STATEMENT_/.test(found.code)).toBe(true);
      expect(await classifier.classify(Buffer.from(`select ${depth} as after`))).toMatchObject({ facts: { effect: 'read' } });
    }
  });

  it('recovers when a text breaks the parser in this thread', async () => {
    const classifier = createClassifier(sampleCatalogue(), { parser: await sharedParser(), inlineBytes: 1_000_000, inlineWeight: 1_000_000 });
    expect(await classifier.classify(Buffer.from(`select 1${'+1'.repeat(50_000)}`))).toMatchObject({ code: 'ERR_STATEMENT_TOO_LARGE' });
    const after = classifier.classify(Buffer.from('select 1 as after'));
    expect(after).toBeInstanceOf(Promise);
    expect(await after).toMatchObject({ facts: { effect: 'read' } });
  });
});

describe('long texts', () => {
  it('gives the worker the same facts as this thread', async () => {
    const parser = await sharedParser();
    const filler = `/* ${'x'.repeat(40_000)} */`;
    const sql = "select o.id, c.pan, steal(1) from orders o join payments.cards c on c.id = o.id where c.cvv = '123' and lower(c.owner) = $1";
    const here = await createClassifier(sampleCatalogue(), { parser, inlineBytes: 100_000 }).classify(Buffer.from(sql + filler));
    const there = await createClassifier(sampleCatalogue(), { parser, inlineBytes: 10_000 }).classify(Buffer.from(sql + filler));
    if (!('facts' in here) || !('facts' in there)) throw new TypeError('refused');
    expect(there.facts).toEqual(here.facts);
    expect(there.spans(sql)).toEqual(here.spans(sql));
    expect([0, 1, 2].map((at) => there.reads(at, ['id', 'pan', 'steal'][at] ?? ''))).toEqual(
      [0, 1, 2].map((at) => here.reads(at, ['id', 'pan', 'steal'][at] ?? '')),
    );
  });

  it('refuses a text that takes too long, and goes on', async () => {
    await using parser = await loadParser({ deadlineMs: 1 });
    const classifier = createClassifier(sampleCatalogue(), { parser });
    expect(await classifier.classify(Buffer.from('select 1;'.repeat(100_000)))).toMatchObject({ kind: 'deadline' });
    expect(await classifier.classify(Buffer.from('select 1'))).toMatchObject({ facts: { effect: 'read' } });
  });
});

describe('code generation', () => {
  const require = createRequire(import.meta.url);

  it('is used nowhere by the parser', () => {
    const source = readFileSync(require.resolve('libpg-query/wasm/libpg-query.js'), 'utf8');
    expect(source).not.toMatch(/\bnew Function\b|\beval\s*\(/);
  });

  it('may be forbidden for the whole process', () => {
    const script = `import { loadGrammar } from ${JSON.stringify(new URL('./classify-parser.ts', import.meta.url).href)};
      const parser = await loadGrammar(); process.stdout.write(String('statements' in parser.parse(Buffer.from('select 1'))));`;
    const args = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('true');
  });
});
