import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { compilePolicies, faultText } from './compile.ts';
import { actionTable, cedarSchema } from './schema.ts';

function faultsOf(...texts: readonly string[]): readonly string[] {
  const result = compilePolicies(texts.map((text, index) => ({ name: `${String.fromCharCode(97 + index)}.cedar`, text })));
  return result.ok ? [] : result.faults.map(faultText);
}

const permit = (annotations: string, when = '') => `${annotations} permit(principal, action == Action::"sql:select", resource is Table)${when};`;

describe('the schema', () => {
  it('is the one that ships for editors', () => {
    expect(readFileSync(new URL('../../resources/policies/postern.cedarschema', import.meta.url), 'utf8')).toBe(cedarSchema);
  });

  it('says what the action table says', () => {
    const answer = schemaToJson(cedarSchema);
    if (answer.type === 'failure') throw new Error(answer.errors[0]?.message);
    const actions = answer.json['']?.actions ?? {};
    for (const [name, { on, groups }] of Object.entries(actionTable)) {
      expect(actions[name]?.appliesTo?.resourceTypes).toEqual(on);
      expect((actions[name]?.memberOf ?? []).map(({ id }) => id)).toEqual(groups);
    }
  });
});

describe('compilePolicies', () => {
  it('names policies by @id or by file and number, in the order of the text', () => {
    const text = Array.from({ length: 12 }, (_, index) => permit(index === 3 ? '@id("third")' : '')).join('\n// a; comment "\n');
    const result = compilePolicies([{ name: 'many.cedar', text }]);
    expect(result.ok && result.compiled.policies.map(({ name, line }) => `${name} ${line}`)).toEqual(
      Array.from({ length: 12 }, (_, index) => `${index === 3 ? 'third' : `many.cedar#${index + 1}`} ${index * 2 + 1}`),
    );
  });

  it('keeps the text of a policy with a semicolon inside a string', () => {
    const text = permit('@id("semi")', ' when { resource.name == "a;\\"b" }');
    const result = compilePolicies([{ name: 'a.cedar', text }]);
    expect(result.ok && result.compiled.byName.get('semi')?.text).toBe(text);
  });

  it('gives line and column of a type fault, in characters and not in bytes', () => {
    expect(faultsOf('// é😀\npermit(principal, action == Action::"sql:select", resource is Table)\nwhen { "é" == "é" && resource.nam == "x" };')).toEqual([
      'a.cedar:3:22: attribute `nam` on entity type `Table` not found; did you mean `name`?',
    ]);
  });

  it.each([
    ['syntax', 'permit(principal, action resource);', /^a\.cedar:1:26: unexpected token `resource`/],
    ['an unknown action', 'permit(principal, action == Action::"sql:drop", resource);', /unrecognized action/],
    ['an unknown entity type', 'permit(principal in Role::"x", action, resource);', /Role/],
    ['a template', '\n permit(principal == ?principal, action, resource);', /^a\.cedar:2:22: .*template/],
    ['a policy that never applies', 'forbid(principal, action == Action::"connect", resource is Table);', /^a\.cedar:1:1: /],
    ['an invalid address', permit('', ' when { context.source_ip.isInRange(ip("10.0.0.0/99")) }'), /failed to parse as IP/],
    ['text that looks like other text', permit('', ' when { resource.name == "p\u202e" }'), /BIDI/],
    ['a lone surrogate', permit('', ' when { resource.name == "\ud800" }'), /not valid Unicode/],
  ])('refuses %s', (_, text, expected) => {
    const faults = faultsOf(text);
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.some((fault) => expected.test(fault))).toBe(true);
  });

  it.each(['mask("pan_last4")', 'record("strict")', 'rows("10")', 'reason("required")', 'mfa("webauthn")', 'shadow_mode("on")'])(
    'refuses the obligation @%s, which nothing enforces yet',
    (annotation) => {
      expect(faultsOf(permit(`@id("x")\n @${annotation}`))).toEqual([
        `a.cedar:2:2: the obligation @${annotation.replace(/\(.*/, '')} is not enforced by this version, so a policy that relies on it is refused`,
      ]);
    },
  );

  it.each([
    ['approve("dba")', /must be group:n/],
    ['approve("dba:0")', /must be group:n/],
    ['approve("dba:1") @request("later")', /@request /],
    ['approve("dba:1") @expires("2d")', /between 10s and 1d/],
    ['approve("dba:1") @owner("yes")', /@owner /],
    ['request("retry")', /there is no @approve/],
  ])('refuses @%s', (annotation, expected) => {
    expect(faultsOf(`@${annotation}\npermit(principal, action == Action::"sql:delete", resource);`).join()).toMatch(expected);
  });

  it('refuses approval where nobody can wait, and on a forbid', () => {
    const sql = 'action == Action::"sql:delete"';
    expect(faultsOf('@approve("dba:1")\npermit(principal, action, resource);').join()).toMatch(/not possible for connect, field:unmask, access:break-glass/);
    expect(faultsOf(`@approve("dba:1")\nforbid(principal, ${sql}, resource);`).join()).toMatch(/belongs to a permit/);
    const accepted = compilePolicies([
      { name: 'a.cedar', text: `@approve("dba:2") @request("retry") @expires("1h") @risk("high")\npermit(principal, ${sql}, resource);` },
    ]);
    expect(accepted.ok && accepted.compiled.policies[0]?.approve).toEqual({
      group: 'dba',
      needed: 2,
      mode: 'retry',
      expiresInSeconds: 3_600,
      risk: 'high',
      ownerDecides: false,
    });
  });

  it('refuses unknown annotations and bad values', () => {
    expect(faultsOf(permit('@id("x y") @mesage("a")'))).toEqual([
      'a.cedar:1:1: @id must be letters, digits, dot, dash and underscore; at most 100',
      'a.cedar:1:12: unknown annotation @mesage; known are @id, @message, @hint, @description, @approve, @request, @expires, @risk, @owner',
    ]);
    expect(faultsOf(permit('@message("a\\nb")'))).toEqual(['a.cedar:1:1: @message must be one line without control characters']);
  });

  it('refuses an id used twice, across files too', () => {
    expect(faultsOf(permit('@id("twin")'), `\n${permit('@id("twin")')}`)).toEqual(['b.cedar:2:1: the id twin is already used in a.cedar line 1']);
  });

  it('refuses two files of one name', () => {
    const file = { name: 'a.cedar', text: '' };
    expect(compilePolicies([file, file])).toMatchObject({ ok: false, faults: [{ message: 'two files have this name' }] });
  });

  it.each([
    ['brackets', `${'('.repeat(400)}true${')'.repeat(400)}`],
    ['operators', `${'true && '.repeat(5000)}true`],
    ['conditions', `true } ${'unless { false } '.repeat(5000)} unless { false`],
    ['sets behind a string with a quote', `"\\"" == "" || ${'['.repeat(500)}${']'.repeat(500)} == 1`],
  ])('refuses %s that would exhaust the stack of Cedar, and lives on', (_, condition) => {
    expect(faultsOf(permit('', ` when { ${condition} }`))[0]).toMatch(/nested deeper than 24|160 operators/);
    expect(faultsOf(permit('@id("fine")'))).toEqual([]);
  });

  it('takes everything within the limits without exhausting the stack', () => {
    const deep = `${'(true || '.repeat(22)}true${')'.repeat(22)}${' && true'.repeat(130)}`;
    expect(faultsOf(permit('', ` when { ${deep} }`))).toEqual([]);
    expect(faultsOf(permit('', ` when { [${'"x",'.repeat(5000)}"y"].contains(resource.name) }`))).toEqual([]);
  });
});
