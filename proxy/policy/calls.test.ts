import fc from 'fast-check';
import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, it } from 'vitest';
import type { Act, CallContext, Facts } from '../contract/operation.ts';
import { compilePolicies, type CompiledPolicies, faultText } from './compile.ts';
import { type ScopeRequest, subjectOf } from './decide.ts';
import { explain } from './explain.ts';
import { headOf } from './head.ts';
import { compiledOrThrow } from './policy.ts';
import { readsOf } from './reads.ts';
import { alone, createScope } from './scope.ts';
import { createSlices } from './slices.ts';

const request: ScopeRequest = { principal: { name: 'ci', groups: ['readers'] }, resource: 'tools', database: '', account: 'app', origin: '10.0.0.7' };
const on = { resource: 'payments', database: 'shop' };
const tool = (name: string): Act => ({ action: 'mcp:call', object: { type: 'Tool', path: [name] } });
const path = (...segments: string[]): Act => ({ action: 'http:read', object: { type: 'Path', path: segments } });
const select: Act = { action: 'sql:select', object: { type: 'Table', path: ['public', 'orders'], on } };

function call(more: Partial<CallContext> = {}): CallContext {
  return { method: 'tools/call', arguments: {}, numbers: {}, hosts: [], programs: [], shell: [], query: [], read_only: false, ...more };
}

function facts(acts: readonly Act[], more: Partial<CallContext> = {}): Facts {
  return { acts, effect: 'write', context: { ...alone('mcp:call'), call: call(more) }, template: '' };
}

function unexpected(fault: unknown): void {
  throw new Error('a fault while deciding', { cause: fault });
}

function deciding(text: string, clock = { now: () => 0 }) {
  const inForce = { version: 'v1', slices: createSlices(compiledOrThrow([{ name: 'p.cedar', text }])) };
  return createScope(request, { clock, onFault: unexpected, inForce: () => inForce });
}

const permits = (condition: string) => `@id("p") permit(principal, action == Action::"mcp:call", resource is Tool) when { ${condition} };`;
const all = '@id("all") permit(principal, action in Action::"mcp", resource);';
const forbids = (condition: string) => `${all} @id("f") forbid(principal, action in Action::"mcp", resource) when { ${condition} };`;

describe('a call', () => {
  it.each([
    [
      'context.arguments.hasTag("/path") && context.arguments.getTag("/path") like "/data/*"',
      { arguments: { '/path': '/data/x' } },
      { arguments: { '/path': '/etc/x' } },
    ],
    [
      'context.arguments.hasTag("/path") && context.arguments.getTag("/path") like "/data/*"',
      { arguments: { '/path': '/data/x' } },
      { arguments: { '/Path': '/data/x' } },
    ],
    ['context.numbers.hasTag("/amount") && context.numbers.getTag("/amount") <= 10000', { numbers: { '/amount': 10_000 } }, { numbers: { '/amount': 10_001 } }],
    ['context.numbers.hasTag("/amount") && context.numbers.getTag("/amount") <= 10000', { numbers: { '/amount': -5 } }, { arguments: { '/amount': '5' } }],
    ['["/a", "/b"].containsAll(context.pointers)', { arguments: { '/a': 'x' } }, { arguments: { '/a': 'x', '/c': 'y' } }],
    ['["ls", "wc"].containsAll(context.programs) && context.shell.isEmpty()', { programs: ['ls'] }, { programs: ['curl', 'ls'] }],
    ['context.hosts.contains("https://api.test:443")', { hosts: ['https://api.test:443'] }, { hosts: [] }],
    ['!context.query.contains("debug")', { query: ['page'] }, { query: ['debug', 'page'] }],
    ['context.read_only && context.method == "tools/call"', { read_only: true }, { read_only: false }],
    ['context.account == "app" && context.source_ip.isInRange(ip("10.0.0.0/8"))', {}, null],
  ])('is decided by %s', (condition, fits, not) => {
    const scope = deciding(permits(condition));
    expect(scope.decide(facts([tool('query')], fits))).toMatchObject({ permitted: true, policies: ['p'] });
    if (not !== null) expect(scope.decide(facts([tool('query')], not)).permitted).toBe(false);
  });

  it('reads all arguments where the pointer is not written out', () => {
    const scope = deciding(permits('context.arguments.hasTag(if context.read_only then "/a" else "/b")'));
    expect(scope.decide(facts([tool('q')], { arguments: { '/b': '' } })).permitted).toBe(true);
    expect(scope.decide(facts([tool('q')], { arguments: { '/a': '' } })).permitted).toBe(false);
  });

  it('that names nothing is refused', () => {
    for (const effect of ['none', 'read', 'write', 'unknown'] as const) {
      const decision = deciding('permit(principal, action, resource);').decide({ ...facts([]), effect });
      expect(decision).toMatchObject({ permitted: false, message: 'the call names nothing that policies can decide on' });
    }
  });

  it('without its context is refused where a policy reads it: no forbid is skipped', () => {
    const context = alone('mcp:call');
    for (const condition of ['context.arguments.hasTag("/a")', 'context has arguments && context.arguments.hasTag("/a")', 'context.read_only']) {
      expect(deciding(forbids(condition)).decide({ ...facts([tool('q')]), context }).permitted).toBe(false);
    }
    expect(deciding(all).decide({ ...facts([tool('q')]), context }).permitted).toBe(true);
  });

  it.each([
    ['a lone surrogate', { arguments: { '/a': '\ud800' } }],
    ['a lone surrogate in a pointer', { arguments: { '/\ud800': '' } }],
    ['a number that is not whole', { numbers: { '/a': 1.5 } }],
    ['a number too large to be exact', { numbers: { '/a': 2 ** 53 } }],
    ['more arguments than policies can read', { arguments: Object.fromEntries(Array.from({ length: 7_000 }, (_, index) => [`/${String(index)}`, ''])) }],
  ])('with %s is refused where a policy reads it', (_, more) => {
    expect(deciding(forbids('context.arguments.hasTag("/x")')).decide(facts([tool('q')], more)).permitted).toBe(false);
  });

  it('is decided by what it says, however often the same tool was called', () => {
    const scope = deciding(permits('context.arguments.hasTag("/a") && context.arguments.getTag("/a") == "1"'));
    for (const value of ['1', '2', '1']) expect(scope.decide(facts([tool('q')], { arguments: { '/a': value } })).permitted).toBe(value === '1');
  });

  it('with a statement in it needs what the statement needs, on the resource it is about', () => {
    const there = `${all} @id("there") permit(principal, action == Action::"sql:select", resource in Schema::"payments/shop/public") when { context.database == "shop" };`;
    expect(deciding(there).decide(facts([tool('q'), select]))).toMatchObject({ permitted: true, policies: ['all', 'there'] });
    expect(deciding(all).decide(facts([tool('q'), select]))).toMatchObject({
      permitted: false,
      message: 'no policy permits sql:select on table public.orders of payments/shop',
    });
    const here = `${all} permit(principal, action == Action::"sql:select", resource in Resource::"tools");`;
    expect(deciding(here).decide(facts([tool('q'), select])).permitted).toBe(false);
  });

  it('is not remembered as the same statement on the own resource', () => {
    const scope = deciding('permit(principal, action == Action::"sql:select", resource in Resource::"payments");');
    const own: Act = { action: 'sql:select', object: { type: 'Table', path: ['public', 'orders'] } };
    const elsewhere: Act = { ...own, object: { ...own.object, on: { resource: 'other', database: 'shop' } } };
    expect(scope.decide(facts([select])).permitted).toBe(true);
    expect(scope.decide(facts([own])).permitted).toBe(false);
    expect(scope.decide(facts([elsewhere])).permitted).toBe(false);
  });

  it('shows its own context and statements theirs, to policies on both', () => {
    const both =
      '@id("b") permit(principal, action, resource) when { !(context has tables) || context.statements == 0 } unless { context has method && context.method == "x" };';
    expect(deciding(both).decide(facts([tool('q'), select])).permitted).toBe(true);
    expect(deciding(both).decide(facts([tool('q'), select], { method: 'x' })).permitted).toBe(false);
  });
});

describe('paths', () => {
  it.each([
    ['resource in Path::"tools/v1/customers"', ['v1', 'customers', '7'], true],
    ['resource in Path::"tools/v1/customers"', ['v1', 'customers'], true],
    ['resource in Path::"tools/v1/customers"', ['v1', 'customers2'], false],
    ['resource in Path::"tools/v1/customers"', ['v1'], false],
    ['resource in Path::"tools/v1/customers"', ['v1/customers', '7'], false],
    ['resource in Path::"other/v1"', ['v1'], false],
    ['resource in HttpApi::"tools"', [], true],
    ['resource in Resource::"tools"', ['v1'], true],
    ['resource == Path::"tools"', [], true],
    ['resource in Path::"tools"', ['x'], true],
    ['resource.path == "/"', [], true],
    ['resource.path == "/v1/a"', ['v1', 'a'], true],
    ['resource.path == "/v1/a"', ['v1/a'], false],
    ['resource.path == "/v1/a/"', ['v1', 'a', ''], true],
    ['resource.path like "/v1/*"', ['v1', 'a'], true],
  ])('%s holds for %j: %s', (condition, segments, holds) => {
    const scope = deciding(`permit(principal, action in Action::"http", resource is Path) when { ${condition} };`);
    expect(scope.decide(facts([path(...segments)])).permitted).toBe(holds);
  });

  it('longer than policies look at are refused', () => {
    const scope = deciding('permit(principal, action, resource);');
    expect(scope.decide(facts([path(...Array<string>(64).fill('a'))])).permitted).toBe(true);
    expect(scope.decide(facts([path(...Array<string>(65).fill('a'))])).permitted).toBe(false);
    expect(scope.decide(facts([path('a'.repeat(8_193))])).permitted).toBe(false);
  });
});

describe('compiling policies on calls', () => {
  const faults = (text: string) => {
    const result = compilePolicies([{ name: 'a.cedar', text }]);
    return result.ok ? [] : result.faults.map(faultText);
  };

  it('says where an attribute is, once', () => {
    expect(faults('permit(principal, action, resource) when { context.has_where };')).toEqual([
      'a.cedar:1:44: attribute `has_where` in context: statements have it and calls do not; name their actions in the head, such as action in Action::"sql"',
    ]);
    expect(faults('permit(principal, action in Action::"sql", resource) when { context.read_only };')).toEqual([
      'a.cedar:1:61: attribute `read_only` in context: calls have it and statements do not; name their actions in the head, such as action in [Action::"mcp", Action::"http"]',
    ]);
  });

  it('asks whether an argument is there before it is read', () => {
    expect(faults(permits('context.arguments.getTag("/a") == "x"')).join()).toMatch(/hasTag/);
  });

  it.each(['Arguments::"call".hasTag("/a")', '[Numbers::"call"].contains(context.numbers)', 'context.arguments == Arguments::"x"'])(
    'refuses arguments that are named: %s',
    (condition) => {
      expect(faults(permits(condition)).join()).toMatch(/cannot be named; write context\./);
    },
  );

  it('lets people be asked about a call', () => {
    expect(faults('@approve("dba:1") permit(principal, action in [Action::"mcp:call", Action::"http:write"], resource);')).toEqual([]);
  });
});

describe('words', () => {
  it.each([
    [tool('query'), 'mcp:call on tool query of tools'],
    [{ action: 'mcp:read', object: { type: 'McpResource', path: ['file:///a\nb'] } }, 'mcp:read on resource file:///a?b of tools'],
    [{ action: 'mcp:method', object: { type: 'Method', path: ['tools/list'] } }, 'mcp:method on method tools/list of tools'],
    [{ action: 'connect', object: { type: 'McpServer', path: [] } }, 'connect on the MCP server tools'],
    [{ action: 'connect', object: { type: 'HttpApi', path: [] } }, 'connect on the API tools'],
    [{ action: 'connect', object: { type: 'Database', path: [], on } }, 'connect on the database of payments/shop'],
    [path('v1', 'x'), 'http:read on path /v1/x of tools'],
    [select, 'sql:select on table public.orders of payments/shop'],
  ] as const)('for %j', (act, words) => {
    expect(subjectOf(act, 'tools')).toBe(words);
  });

  it('explain names the objects as policies do', () => {
    const explained = explain(compiledOrThrow([{ name: 'p.cedar', text: all }]), request, {
      facts: facts([tool('a/b'), select], { arguments: { '/x': '1' } }),
      now: 0,
    });
    expect(explained.acts.map(({ object, permitted }) => [object, permitted])).toEqual([
      ['Tool::"tools/a%2Fb"', true],
      ['Table::"payments/shop/public/orders"', false],
    ]);
    expect(explained.context).toMatchObject({ method: 'tools/call', arguments: { '/x': '1' }, pointers: ['/x'] });
  });
});

describe('what could be permitted', () => {
  const inLists = (text: string, acts: readonly Act[] = [tool('q')], more: Partial<CallContext> = {}) => deciding(text).possible(facts(acts, more));

  it('is what some arguments would get permitted', () => {
    expect(inLists(permits('context.arguments.hasTag("/a") && context.arguments.getTag("/a") == "x"'))).toBe(true);
    expect(inLists(forbids('context.arguments.hasTag("/a")'))).toBe(true);
    expect(inLists(forbids('!context.arguments.hasTag("/a")'))).toBe(true);
    expect(inLists(`${all} forbid(principal, action, resource is Tool) when { resource.name == "q" };`)).toBe(false);
    expect(inLists('permit(principal, action == Action::"mcp:call", resource == Tool::"tools/other") when { context.programs.isEmpty() };')).toBe(false);
    expect(inLists('')).toBe(false);
    expect(inLists(all, [])).toBe(false);
  });

  it('knows what is known of a tool before it is called', () => {
    expect(inLists(permits('context.read_only'))).toBe(false);
    expect(inLists(permits('context.read_only'), [tool('q')], { read_only: true })).toBe(true);
    const scope = deciding(permits('context.read_only'));
    for (const read_only of [true, false, true]) expect(scope.possible(facts([tool('q')], { read_only }))).toBe(read_only);
  });

  it('follows the time and the policies in force', () => {
    let now = 0;
    const scope = deciding(permits('context.now < datetime("2026-01-01T00:00:00Z")'), { now: () => now });
    expect(scope.possible(facts([tool('q')]))).toBe(true);
    now = Date.parse('2026-06-01T00:00:00Z');
    expect(scope.possible(facts([tool('q')]))).toBe(false);
    expect(createScope(request, { clock: { now: () => 0 }, onFault: unexpected, inForce: () => null }).possible(facts([tool('q')]))).toBe(false);
  });

  const head = fc.constantFrom(
    'principal, action, resource',
    'principal, action in Action::"mcp", resource',
    'principal in Group::"readers", action == Action::"mcp:call", resource is Tool',
    'principal in Group::"writers", action, resource',
    'principal, action, resource in McpServer::"tools"',
    'principal, action, resource == Tool::"tools/a"',
    'principal, action in Action::"http", resource in Path::"tools/v1"',
    'principal, action == Action::"sql:select", resource',
  );
  const condition = fc.constantFrom(
    '',
    ' when { context.arguments.hasTag("/a") }',
    ' unless { context has arguments && context.arguments.hasTag("/a") && context.arguments.getTag("/a") == "x" }',
    ' when { context.numbers.hasTag("/n") && context.numbers.getTag("/n") < 5 }',
    ' when { context.numbers.hasTag("/n") && context.numbers.getTag("/n") * 9223372036854775807 < 0 }',
    ' when { context.read_only }',
    ' unless { context has read_only && context.read_only }',
    ' when { context.method == "tools/call" }',
    ' when { context.programs.isEmpty() }',
    ' when { context has pointers && context.pointers.contains("/a") }',
    ' when { resource is Tool && resource.name == "a" }',
    ' when { principal.name == "ci" }',
    ' when { context has tables && context.tables.isEmpty() }',
  );
  const policy = fc.tuple(fc.constantFrom('permit', 'forbid'), head, condition).map(([effect, of, when]) => `${effect}(${of})${when};`);
  const act = fc.constantFrom(tool('a'), tool('b'), path('v1', 'x'), path('v2'), select);
  const said = fc.record({
    arguments: fc.constantFrom({}, { '/a': 'x' }, { '/a': 'y', '/b': 'z' }),
    numbers: fc.constantFrom({}, { '/n': 1 }, { '/n': 7 }),
    programs: fc.constantFrom([], ['ls']),
    read_only: fc.boolean(),
  });

  /** Random policies named by their place; some could never apply, or fail, which deciding must bear. */
  function compiled(texts: readonly string[]): CompiledPolicies {
    const policies = texts.map((text, index) => {
      const answer = policyToJson(text);
      if (answer.type === 'failure') throw new Error(text);
      const { json } = answer;
      return {
        name: `p${String(index)}`,
        effect: json.effect,
        file: 'f',
        line: 1,
        text,
        message: '',
        hint: '',
        approve: null,
        head: headOf(json),
        reads: readsOf(json),
      };
    });
    return { policies, byName: new Map(policies.map((one) => [one.name, one])) };
  }

  it('holds all that is permitted, with other arguments too', () => {
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 8 }), fc.array(act, { minLength: 1, maxLength: 3 }), said, said, (texts, acts, one, other) => {
        const slices = createSlices(compiled(texts));
        const inForce = { version: '1', slices };
        const scope = createScope(request, { clock: { now: () => 0 }, onFault: unexpected, inForce: () => inForce });
        if (scope.decide(facts(acts, one)).permitted) {
          expect(scope.possible(facts(acts, { ...other, read_only: one.read_only }))).toBe(true);
          for (const single of acts) expect(scope.possible(facts([single], { read_only: one.read_only }))).toBe(true);
        }
        slices.release();
      }),
      { numRuns: 400 },
    );
  });

  it('is nothing that policies forbid whatever the arguments are', () => {
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 6 }), act, said, (texts, asked, more) => {
        const slices = createSlices(compiled([...texts, 'forbid(principal, action, resource);']));
        const inForce = { version: '1', slices };
        const scope = createScope(request, { clock: { now: () => 0 }, onFault: unexpected, inForce: () => inForce });
        expect(scope.possible(facts([asked], more))).toBe(false);
        slices.release();
      }),
      { numRuns: 100 },
    );
  });
});
