import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePolicyTests, runPolicyTests } from './policy-test.ts';

const folder = new URL('../../resources/policies/pci-dss-starter/', import.meta.url);
const read = (end: string) =>
  readdirSync(folder)
    .filter((name) => name.endsWith(end))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }));

describe('the PCI DSS starter set', () => {
  const run = runPolicyTests(read('.cedar'), read('.test.json').flatMap(parsePolicyTests));

  it('is valid', () => {
    expect(run).toMatchObject({ ok: true });
  });

  it('passes the tests stored beside it', () => {
    expect(run.ok && run.results.filter(({ passed }) => !passed)).toEqual([]);
    expect(run.ok && run.results.length).toBeGreaterThan(70);
  });

  it('has a test for every policy', () => {
    expect(run.ok && run.unused).toEqual([]);
  });

  it('names requirements and shows a message wherever it forbids', () => {
    for (const { name, text } of read('.cedar')) {
      expect(text, name).toMatch(/^\/\/ .*\d+\.\d+\.\d+/m);
      for (const policy of text.split(';\n').filter((part) => /^forbid/m.test(part))) expect(policy).toContain('@message(');
    }
  });
});

describe('runPolicyTests', () => {
  const test = {
    name: 't',
    principal: { name: 'ci', groups: [] },
    resource: 'r',
    database: 'd',
    acts: [['sql:select', 'Table', 'public', 'a']],
    expect: 'permit',
  };
  const parse = (tests: unknown) => parsePolicyTests({ name: 'x.test.json', text: JSON.stringify(tests) });
  const files = [
    {
      name: 'p.cedar',
      text: '@id("all") permit(principal, action, resource) when { context.now < datetime("2026-06-01") && context.source_ip.isLoopback() };',
    },
  ];
  const passes = (more: object) => {
    const run = runPolicyTests(files, parse([{ ...test, ...more }]));
    return run.ok && run.results[0]?.passed;
  };

  it('compares the decision and, when named, the policies', () => {
    expect(passes({})).toBe(true);
    expect(passes({ expect: 'forbid' })).toBe(false);
    expect(passes({ policies: ['all'] })).toBe(true);
    expect(passes({ policies: [] })).toBe(false);
  });

  it('decides at the time and from the address of the test', () => {
    expect(passes({ now: '2026-07-01T00:00:00Z', expect: 'forbid', policies: [] })).toBe(true);
    expect(passes({ origin: '10.0.0.1', expect: 'forbid' })).toBe(true);
  });

  it('gives the faults of invalid policies', () => {
    expect(runPolicyTests([{ name: 'p.cedar', text: 'permit(' }], [])).toMatchObject({ ok: false, faults: [{ file: 'p.cedar', line: 1 }] });
  });

  it.each([
    ['an unknown field', { ...test, expects: 'permit' }],
    ['an unknown action', { ...test, acts: [['sql:drop', 'Table', 'a', 'b']] }],
    ['no act', { ...test, acts: [] }],
    ['another expectation', { ...test, expect: 'maybe' }],
  ])('refuses a test with %s', (_, wrong) => {
    expect(() => parse([wrong])).toThrow(/x\.test\.json: /);
  });

  it('refuses what is not JSON', () => {
    expect(() => parsePolicyTests({ name: 'x.test.json', text: '[' })).toThrow('x.test.json is not JSON');
  });
});
