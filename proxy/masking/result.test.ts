import { describe, expect, it } from 'vitest';
import type { MaskingRule, Tag } from '../contract/masking-rule.ts';
import type { ColumnName } from '../contract/operation.ts';
import type { ShapeColumn, ValueType } from '../contract/shape.ts';
import { readRows, rowsOf, walkRows } from '../../test/support/masking-cases.ts';
import type { CompiledMasker } from '../pipeline/ports.ts';
import { createMasking } from './masking.ts';

const pan = '4111111111111111';

function column(more: Partial<ShapeColumn> & { type?: ValueType } = {}): ShapeColumn {
  return { name: 'c', origin: null, reads: [], type: 'text', encoding: 'text', ...more };
}

function named(name: string): ColumnName {
  return { schema: 'public', table: 'cards', column: name };
}

function rule(name: string, tag: Tag): MaskingRule {
  return { resource: 'shop', schema: 'public', table: 'cards', column: name, tag };
}

const rules = [rule('pan', 'pan'), rule('cvv', 'sad'), rule('iban', 'other')];

function masker(columns: readonly ShapeColumn[], unmask: (column: ColumnName) => boolean = () => false, tags = rules): CompiledMasker {
  const masking = createMasking();
  masking.update(tags);
  return masking.port.compile('shop', { columns }, unmask);
}

function mask(columns: readonly ShapeColumn[], row: readonly (string | null)[], unmask?: (column: ColumnName) => boolean): string[] {
  return readRows(masker(columns, unmask).rows(rowsOf([row]), walkRows));
}

/** One value of one column. */
function one(more: Partial<ShapeColumn>, value: string, unmask?: (column: ColumnName) => boolean): string {
  return mask([column(more)], [value], unmask)[0] ?? '';
}

describe('tagged columns', () => {
  it('show first 6 and last 4 of a card number, nothing of anything else', () => {
    const origin = named('pan');
    expect(one({ origin }, pan)).toBe('411111******1111');
    expect(one({ origin }, '4111-1111-1111-1111')).toBe('4111-11**-****-1111');
    expect(one({ origin }, '4111\u00a01111\u00a01111\u00a01111')).toBe('4111\u00a011**\u00a0****\u00a01111');
    expect(one({ origin }, '1234567890123456')).toBe('123456******3456');
    expect(one({ origin }, `x${pan}`)).toBe('*'.repeat(17));
    expect(one({ origin }, '41111111111111111111')).toBe('*'.repeat(20));
    expect(one({ origin }, '411111111111')).toBe('*'.repeat(12));
    expect(one({ origin }, '')).toBe('');
    expect(one({ origin, name: 'alias' }, pan)).toBe('411111******1111');
  });

  it('keep the form of their type', () => {
    const origin = named('pan');
    expect(one({ origin, type: 'number' }, pan)).toBe('4111110000001111');
    expect(one({ origin, type: 'number' }, `${pan}.25`)).toBe('4111110000001111.00');
    expect(one({ origin, type: 'number' }, '-12.5')).toBe('-00.0');
    expect(one({ origin, type: 'number' }, '4.111111111111111e+15')).toBe('0.000000000000000e+00');
    expect(one({ origin, type: 'json' }, `{"a":"${pan}"}`)).toBe(`"${'*'.repeat(22)}"`);
    expect(one({ origin, type: 'json' }, '7')).toBe('0');
    expect(one({ origin, type: 'bytes' }, '\\x34313131')).toBe('\\x00000000');
    const other = named('iban');
    expect(one({ origin: other, type: 'inert' }, '2024-05-06 12:13:14')).toBe('0001-01-01 00:00:00');
    expect(one({ origin: other, type: 'inert' }, '550e8400-e29b-41d4-a716-446655440000')).toBe('00000000-0000-0000-0000-000000000000');
    expect(one({ origin: other }, 'Zoë 😀')).toBe('**×*××');
  });

  it('are shown where policy permits, sensitive authentication data never', () => {
    const asked: string[] = [];
    const unmask = ({ column: name }: ColumnName): boolean => asked.push(name) > 0;
    expect(one({ origin: named('pan') }, pan, unmask)).toBe(pan);
    expect(one({ origin: named('cvv') }, '123', unmask)).toBe('***');
    expect(one({ reads: [named('pan'), named('cvv')] }, pan, unmask)).toBe('*'.repeat(16));
    expect(one({ reads: [named('pan')] }, pan, unmask)).toBe('411111******1111');
    expect(asked).not.toContain('cvv');
  });

  it('hide whole what is computed from them', () => {
    // a shifted window would give the middle digits away
    expect(one({ reads: [named('id'), named('pan')] }, '4111111111111111')).toBe('*'.repeat(16));
    expect(one({ reads: [named('pan')], type: 'number' }, '1111')).toBe('0000');
    expect(one({ reads: [named('cvv')] }, '4111111111111111')).toBe('*'.repeat(16));
    expect(one({ reads: null }, 'anything')).toBe('********');
    expect(one({ reads: [] }, 'anything')).toBe('anything');
  });

  it('with no tags, unknown sources are scanned only', () => {
    const free = masker([column({ reads: null })], undefined, []);
    expect(readRows(free.rows(rowsOf([['anything'], [pan]]), walkRows))).toEqual(['anything', '411111******1111']);
    const elsewhere = createMasking();
    elsewhere.update(rules);
    expect(readRows(elsewhere.port.compile('other', { columns: [column({ reads: null })] }, () => false).rows(rowsOf([['anything']]), walkRows))).toEqual([
      'anything',
    ]);
  });

  it('are refused in binary format', () => {
    for (const more of [{ origin: named('pan') }, { origin: named('cvv') }, { reads: [named('iban')] }, { reads: null }]) {
      expect(() => masker([column({ ...more, encoding: 'binary' })])).toThrow(expect.objectContaining({ code: 'ERR_MASKED_BINARY' }));
    }
    expect(() => masker([column({ origin: named('pan'), encoding: 'binary' })], () => true)).not.toThrow();
    expect(one({ encoding: 'binary', type: 'number' }, '\0\0\0\x01')).toBe('\0\0\0\x01');
    expect(one({ encoding: 'binary' }, pan)).toBe('411111******1111');
  });
});

describe('untagged columns', () => {
  it('are scanned', () => {
    expect(one({}, `to ${pan}`)).toBe('to 411111******1111');
    expect(one({ type: 'number' }, pan)).toBe('4111110000001111');
    expect(one({ type: 'number' }, `${pan}.00`)).toBe('4111110000001111.00');
    expect(one({ type: 'number' }, '0.4111111111111111')).toBe('0.4111111111111111');
    expect(one({}, 'cvv 123')).toBe('cvv ***');
    expect(one({ type: 'inert' }, pan)).toBe(pan);
    expect(one({}, `{${pan},5555555555554444}`)).toBe('{4111110000001111,5555550000004444}');
  });

  it('JSON stays JSON', () => {
    const json = (text: string): unknown => JSON.parse(one({ type: 'json' }, text));
    expect(json(`{"a": ${pan}, "b": "${pan}", "c": [ -${pan} ]}`)).toEqual({ a: 4111110000001111, b: '411111******1111', c: [-4111110000001111] });
    expect(json(pan)).toBe(4111110000001111);
    expect(json('{"cvv":"123","cvc":7,"cvv2":12,"x":1}')).toEqual({ cvv: '***', cvc: 0, cvv2: '', x: 1 });
    expect(json('{"cvv":[true,false,null,1.5e3],"pin":{"a":"b","c":false},"after":true}')).toEqual({
      cvv: [true, false, null, '***'],
      pin: { '*': false },
      after: true,
    });
  });

  it('keys that say little need a value that fits', () => {
    const same = [
      '{"cid":"customer-7"}',
      '{"pin":true}',
      '{"track":"Song 2"}',
      '{"pan":"TOK-1234"}',
      '{"acc_no":"12345678901234"}',
      '{"company":"x"}',
      '{"shopping":"1234"}',
      '{"card_number":"tok_abc"}',
    ];
    for (const text of same) for (const type of ['json', 'text'] as const) expect(one({ type }, text)).toBe(text);
    expect(one({}, '{"pin":"1234","cid":123,"track2":"4111111111111111=2912"}')).toBe('{"pin":"****","cid":"*","track2":"*********************"}');
    expect(one({}, '{"card_number":"4111.1111/1111.1111"}')).toBe('{"card_number":"*******************"}');
    expect(one({}, 'body={"pin":"1234"} 5" wide {"pan" : "1234567890123456"}')).toBe('body={"pin":"****"} 5" wide {"pan" : "123456******3456"}');
  });

  it('bytea is looked into', () => {
    const hex = (text: string): string => `\\x${Buffer.from(text).toString('hex')}`;
    for (const text of [pan, '4111-1111-1111-1111', '4111 1111 1111 1111', `x${pan}y`, '{"cvv":"123"}', 'cvv=123', ';4111111111111111=2912101?']) {
      expect(one({ type: 'bytes' }, hex(text)), text).toBe(`\\x${'00'.repeat(text.length)}`);
    }
    expect(one({ type: 'bytes' }, `\\x${pan}`)).toBe(`\\x${'0'.repeat(16)}`);
    expect(one({ type: 'bytes' }, hex('nothing here'))).toBe(hex('nothing here'));
    expect(one({ type: 'bytes' }, '\\x')).toBe('\\x');
  });

  it('a value is masked alike whatever stands beside it', () => {
    const columns = [column(), column(), column({ type: 'json' })];
    for (const value of ['{"pin":"1234"}', 'security code 999', 'cvv 123', pan]) {
      const alone = mask(columns, [value, '', null]);
      const beside = mask(columns, [value, `${pan} card`, '{"cvv":1}']);
      expect(alone[0], value).not.toBe(value);
      expect(beside[0], value).toBe(alone[0]);
    }
  });

  it('more values than were announced are not let through', () => {
    const scanning = masker([column()]);
    expect(readRows(scanning.rows(rowsOf([['x', pan]]), walkRows))).toEqual(['x', '411111******1111']);
    const replacing = masker([column({ origin: named('pan') })]);
    expect(readRows(replacing.rows(rowsOf([[pan, 'x']]), walkRows))).toEqual(['411111******1111', '*']);
  });
});

describe('ledger', () => {
  it('counts by rule and starts again after each call', () => {
    const compiled = masker([column({ origin: named('pan') }), column({ reads: [named('cvv')] }), column(), column({ reads: null })]);
    compiled.rows(
      rowsOf([
        [pan, '1', `${pan} and 5555555555554444`, 'x'],
        [null, '2', 'cvv 123 ;4111111111111111=2912101?', null],
      ]),
      walkRows,
    );
    expect(compiled.ledger()).toEqual({
      'column:public.cards.pan': 1,
      'derived:public.cards.cvv': 2,
      'detector:pan': 3,
      'derived:unknown': 1,
      'detector:track': 1,
      'label:sad': 1,
    });
    expect(compiled.ledger()).toEqual({});
  });

  it('a fault of the walker ends in one code', () => {
    expect(() => masker([column()]).rows(Buffer.from(pan), walkRows)).toThrow(expect.objectContaining({ code: 'ERR_MASKING_FAILED' }));
  });

  it('the version grows with each set of rules', () => {
    const masking = createMasking();
    const before = masking.port.version;
    masking.update([]);
    expect(masking.port.version).toBeGreaterThan(before);
  });
});
