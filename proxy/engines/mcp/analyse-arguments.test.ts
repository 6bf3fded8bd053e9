import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fail } from '../../contract/errors.ts';
import type { Facts } from '../../contract/operation.ts';
import type { Analyser } from '../../contract/resource.ts';
import type { Session } from '../../pipeline/engine.ts';
import { type ArgumentLeaf, analyseArguments, isLike, type SqlAnalyser } from './analyse-arguments.ts';

const session = {} as Session; // nothing here looks into it
const noSql: SqlAnalyser = () => Promise.reject(fail('ERR_INTERNAL', { detail: 'asked' }));
const command: Analyser = { tool: 'run*', pointer: '/command', reads: { as: 'command' } };
const url: Analyser = { tool: 'fetch', pointer: '/url', reads: { as: 'url', allow: ['https://*.example.com'] } };
const sql: Analyser = { tool: '*', pointer: '/sql', reads: { as: 'sql', resource: 'payments', database: 'shop' } };
const leaf = (pointer: string, text: string, kind: ArgumentLeaf['kind'] = 'string'): ArgumentLeaf => ({ pointer, text, kind });
const analysed = (tool: string, leaves: readonly ArgumentLeaf[], analyse = noSql) =>
  analyseArguments({ analysers: [command, url, sql], tool, leaves, session, sql: analyse });

function facts(more: Partial<Omit<Facts, 'context'>> & { context?: Partial<Facts['context']> }): Facts {
  const { context, ...rest } = more;
  return {
    acts: [],
    effect: 'read',
    template: '',
    ...rest,
    context: { kind: 'select', statements: 1, has_where: true, has_limit: true, tables: ['public.a'], columns: [], functions: [], ...context },
  };
}

describe('the arguments of a call', () => {
  it('are read as the analysers of the tool say', async () => {
    expect(await analysed('run_it', [leaf('/command', 'ls | wc'), leaf('/url', 'not an address')])).toMatchObject({
      programs: ['ls', 'wc'],
      shell: ['pipe'],
      hosts: [],
      sql: null,
      effect: 'none',
      acts: [],
    });
    expect(await analysed('fetch', [leaf('/url', 'https://a.example.com/x'), leaf('/command', '(((')])).toMatchObject({
      programs: [],
      hosts: ['https://a.example.com:443'],
    });
  });

  it('give the acts of statements, and what holds for all of them', async () => {
    const texts: string[] = [];
    const answer: SqlAnalyser = (statement, on) => {
      texts.push(`${statement} on ${on.resource}/${on.database}`);
      const act = { action: statement === 'a' ? 'sql:select' : 'sql:delete', object: { type: 'Table', path: ['public', statement], on } } as const;
      return Promise.resolve({
        facts: facts({ acts: [act], effect: statement === 'a' ? 'read' : 'write', context: { has_where: statement === 'a', tables: [statement] } }),
        spans: [{ kind: 'text', text: statement }],
      });
    };
    const second: Analyser = { ...sql, pointer: '/more' };
    const both = await analyseArguments({ analysers: [sql, second], tool: 'q', leaves: [leaf('/sql', 'a'), leaf('/more', 'b')], session, sql: answer });
    expect(texts).toEqual(['a on payments/shop', 'b on payments/shop']);
    expect(both).toMatchObject({ effect: 'write', sql: { kind: 'multi', statements: 2, has_where: false, has_limit: true, tables: ['a', 'b'] } });
    expect(both.acts.map(({ action }) => action)).toEqual(['sql:select', 'sql:delete']);
    expect([...both.spans.keys()]).toEqual(['/sql', '/more']);
    expect(await analysed('q', [leaf('/sql', 'a')], answer)).toMatchObject({ effect: 'read', sql: { kind: 'select', tables: ['a'] } });
  });

  it('that were not sent say nothing', async () => {
    expect(await analysed('run', [leaf('/other', 'x'), leaf('/command', 'null', 'null')])).toMatchObject({ programs: [], sql: null });
  });

  it.each([
    ['a list', [leaf('/command/0', 'ls')]],
    ['an object', [leaf('/command/x/y', 'ls')]],
    ['a number', [leaf('/command', '1', 'number')]],
    ['another case', [leaf('/Command', 'ls')]],
    ['another case beside it', [leaf('/command', 'ls'), leaf('/COMMAND', 'curl')]],
    ['a letter that folds to it', [leaf('/\uff43ommand', 'ls')]],
    ['a character nobody sees', [leaf('/command\u200b', 'ls')]],
    ['a NUL behind it', [leaf('/command\u0000', 'ls')]],
    ['a space behind it', [leaf('/command ', 'ls')]],
    ['a list under another case', [leaf('/Command/0', 'ls')]],
  ] as const)('that are %s are refused', async (_, leaves) => {
    await expect(analysed('run', leaves)).rejects.toMatchObject({ code: 'ERR_STATEMENT_UNPARSEABLE', message: expect.stringContaining('/command') as string });
  });

  it('that cannot be understood are refused', async () => {
    await expect(analysed('run', [leaf('/command', '$X')])).rejects.toMatchObject({ code: 'ERR_STATEMENT_UNPARSEABLE' });
    await expect(analysed('fetch', [leaf('/url', 'https://evil.test')])).rejects.toMatchObject({ code: 'ERR_ACCESS_DENIED' });
    await expect(analysed('q', [leaf('/sql', 'x')])).rejects.toMatchObject({ code: 'ERR_INTERNAL' });
  });
});

describe('a pattern of tools', () => {
  it('matches like a regular expression of its pieces', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '_'), maxLength: 12 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
    fc.assert(
      fc.property(text, pattern, (name, like) => {
        expect(isLike(name, like)).toBe(new RegExp(`^${like.replaceAll('*', '.*')}$`).test(name));
      }),
      { numRuns: 2_000 },
    );
  });
});
