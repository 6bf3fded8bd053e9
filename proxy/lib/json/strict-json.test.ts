import { describe, expect, it } from 'vitest';
import { AppError } from '../errors.ts';
import { caseVariants } from './case-variants.ts';
import { fromValue, leaves, member, text } from './node.ts';
import { canonicalDigestInput, serialise, written } from './serialise.ts';
import { parseJson, parseJsonPrefix } from './strict-json.ts';

const limits = { maxBytes: 1_000_000, maxDepth: 64, maxNodes: 10_000 };
const parse = (source: string | Uint8Array): ReturnType<typeof parseJson> => parseJson(Buffer.from(source as string), limits);

function refusal(source: string | Uint8Array): string {
  try {
    parse(source);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe('ERR_PROTOCOL_VIOLATION');
    return (error as AppError).message;
  }
  return expect.fail(`accepted ${Buffer.from(source as string).toString()}`);
}

describe('parseJson', () => {
  it.each([
    ['', 'no JSON value'],
    ['{"a":1} x', 'something follows'],
    ['{"a":1,}', 'a name is expected'],
    ['[1,]', 'no JSON value'],
    ['[1 2]', 'a comma or the end'],
    ['{"a" 1}', 'a colon'],
    ["{'a':1}", 'a name is expected'],
    ['\ufeff{}', 'no JSON value'],
    ['NaN', 'no JSON value'],
    ['-Infinity', 'no JSON value'],
    ['01', 'begins with zero'],
    ['-01', 'begins with zero'],
    ['1.', 'no JSON value'],
    ['.5', 'no JSON value'],
    ['+1', 'no JSON value'],
    ['1e', 'no JSON value'],
    ['0x10', 'something follows'],
    ['nul', 'no JSON value'],
    ['"a', 'does not end'],
    ['"a\\', 'does not end'],
    ['"a\nb"', 'control character in a string'],
    ['"\\x41"', 'unknown escape'],
    ['"\\u12g4"', 'unknown escape'],
    ['"\\ud800"', 'surrogate'],
    ['{"\\udc00a":1}', 'surrogate'],
    ['{"a":1,"a":2}', 'the same name'],
    ['{"a":1,"\\u0061":2}', 'the same name'],
    ['{"method\\u0000":1}', 'control character in a name'],
    ['{"a\\n":1}', 'control character in a name'],
    ['{"a\u0085":1}', 'control character in a name'],
    ['{"a\u007f":1}', 'control character in a name'],
    ['/**/1', 'no JSON value'],
    [`${'['.repeat(65)}${']'.repeat(65)}`, 'nested too deeply'],
    [`[${'0,'.repeat(10_000)}0]`, 'too many values'],
    ['1'.repeat(3_000), 'number is too long'],
    [' '.repeat(1_000_001), 'longer than allowed'],
  ])('refuses %j', (source, reason) => {
    expect(refusal(source)).toContain(reason);
  });

  it('refuses what is no UTF-8', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0x80, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0x22, 0xe2, 0x82],
    ]) {
      expect(refusal(Buffer.from(bytes))).toContain('not UTF-8');
    }
    expect(refusal(Buffer.from('{}', 'utf16le'))).toContain('a name is expected');
  });

  it('finds equal names among many', () => {
    const many = Array.from({ length: 100 }, (_, index) => `"k${String(index)}":0`);
    expect(refusal(`{${many.join(',')},"k50":1}`)).toContain('the same name');
    expect(refusal(`{${many.slice(0, 13).join(',')},"k0":1}`)).toContain('the same name');
    expect(written(parse(`{${many.join(',')}}`))).toBe(`{${many.join(',')}}`);
    expect(written(parseJson(Buffer.from('{"a":1,"a":2}'), { ...limits, names: 'kept' }))).toBe('{"a":1,"a":2}');
  });

  it('quotes nothing of the input', () => {
    expect(refusal('{"4111111111111111":1,"4111111111111111":2}')).not.toMatch(/411/);
  });

  it('loses nothing', () => {
    const source = '{"b":12345678901234567890.10,"a":-0.0E+10,"é":"\\ud83d\\ude00\\/","":[[],{}],"__proto__":{"x":null}}';
    expect(written(parse(source))).toBe('{"b":12345678901234567890.10,"a":-0.0E+10,"é":"😀/","":[[],{}],"__proto__":{"x":null}}');
    expect(Buffer.from(serialise(parse(' [ 1 , true , false , null ] '))).toString()).toBe('[1,true,false,null]');
    expect(parse(`${'['.repeat(64)}${']'.repeat(64)}`).kind).toBe('array');
  });

  it('reads a value in the middle of a text', () => {
    const bytes = Buffer.from('é {"a":"ü"} rest');
    const { node, end } = parseJsonPrefix(bytes, 3, limits);
    expect(written(node)).toBe('{"a":"ü"}');
    expect(end).toBe(bytes.indexOf(' rest'));
  });
});

describe('nodes', () => {
  it('are found by name and by pointer', () => {
    const node = parse('{"a/b":{"~":[1,"x",{}]},"s":"t","n":null}');
    expect([...leaves(node)].map((leaf) => leaf.pointer)).toEqual(['/a~1b/~0/0', '/a~1b/~0/1', '/s', '/n']);
    expect(text(member(node, 's'))).toBe('t');
    expect(text(member(node, 'n'))).toBeUndefined();
    expect(member(parse('[]'), 'length')).toBeUndefined();
    expect(member(node, 'toString')).toBeUndefined();
  });

  it('are made of values as JSON.stringify does', () => {
    const value = { a: [1, 'x', null, undefined, NaN], b: undefined, c: new Date(0), d: { e: true }, f: 1e21, g: -0 };
    expect(written(fromValue(value))).toBe(JSON.stringify(value));
    expect(written(fromValue(12345678901234567890n))).toBe('12345678901234567890');
  });
});

describe('canonicalDigestInput', () => {
  const canonical = (source: string): string => Buffer.from(canonicalDigestInput(parse(source))).toString();

  it('follows RFC 8785', () => {
    expect(
      canonical(
        '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
      ),
    ).toBe('{"literals":[null,true,false],"numbers":[333333333.33333329,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}');
    expect(canonical('{"\\u20ac":1,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u00f6":7}')).toBe('{"1":4,"ö":7,"€":1,"😀":5,"\ufb33":3}');
  });

  it('keeps numbers apart that a double does not', () => {
    expect(canonical('[-0,-0.0,1.0,100e-2,10E2]')).toBe('[0,0,1,1,1000]');
    const kept = '[12345678901234567890,12345678901234567891,1e400,1e-999]';
    expect(canonical(kept)).toBe(kept);
  });
});

describe('caseVariants', () => {
  const names = ['method', 'task', 'protocolVersion'];

  it.each([
    ['Method', 'method'],
    ['METHOD', 'method'],
    ['method\u200b', 'method'],
    ['method ', 'method'],
    ['\u2060me\u00adthod', 'method'],
    ['ta\u017fk', 'task'],
    ['tas\u212a', 'task'],
    ['ｍｅｔｈｏｄ', 'method'],
    ['protocolVers\u0131on', 'protocolVersion'],
    [`${'\u200b'.repeat(300)}method`, 'method'],
    ['protocolversion', 'protocolVersion'],
  ])('sees through %j', (key, name) => {
    expect(caseVariants(fromValue({ ok: 1, [key]: 2 }), names)).toBe(name);
  });

  it('leaves the names themselves and others', () => {
    expect(caseVariants(fromValue({ method: 1, task: 2, methods: 3, 'me-thod': 4, é: 5 }), names)).toBeNull();
    expect(caseVariants(fromValue(['Method']), names)).toBeNull();
    expect(caseVariants({ kind: 'object', members: [{ key: 'method\u0000', value: { kind: 'null' } }] }, names)).toBe('method');
  });
});
