import { describe, expect, it } from 'vitest';
import { allPans, truncated } from '../../test/support/masking-cases.ts';
import { fromValue } from '../lib/json/node.ts';
import { parseJson } from '../lib/json/strict-json.ts';
import { written } from '../lib/json/serialise.ts';
import { maskJson } from './json.ts';
import { mayNeedJsonMask } from './json-look.ts';

const limits = { maxBytes: 10_000_000, maxDepth: 64, maxNodes: 100_000 };

interface Masked {
  readonly text: string;
  readonly value: unknown;
  readonly found: Readonly<Record<string, number>>;
}

function maskSource(source: string, options: { media?: 'drop' | 'pass'; conceal?: readonly string[] } = {}): Masked {
  const bytes = Buffer.from(source);
  const found: Record<string, number> = {};
  const conceal = options.conceal ?? [];
  const { node, changed } = maskJson(parseJson(bytes, limits), { media: options.media ?? 'pass', conceal }, (rule, count) => {
    found[rule] = (found[rule] ?? 0) + count;
  });
  const text = written(node);
  if (changed) expect(mayNeedJsonMask(bytes, conceal), source).toBe(true);
  return { text, value: JSON.parse(text), found };
}

function mask(value: unknown, options: { media?: 'drop' | 'pass'; conceal?: readonly string[] } = {}): unknown {
  return maskSource(JSON.stringify(value), options).value;
}

const pan = '4111111111111111';
const shown = '411111******1111';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('maskJson', () => {
  it('hides card numbers in strings, numbers and names', () => {
    for (const each of allPans) {
      expect(mask({ a: `pay ${each} now` })).toEqual({ a: `pay ${truncated(each)} now` });
      expect(mask({ [each]: 1 })).toEqual({ [truncated(each)]: 1 });
      expect(maskSource(`[${each}]`).text).toBe(`[${truncated(each, '0')}]`);
    }
  });

  it('counts by rule', () => {
    expect(maskSource(`{"a":"${pan}","b":${pan},"cvv":123,"t":"%B${pan}^A/B^29121010000012345678?"}`).found).toEqual({
      'detector:pan': 3,
      'detector:track': 1,
      'label:sad': 1,
    });
  });

  it.each([
    ['4111111111111111', '4111110000001111'],
    ['-4111111111111111', '-4111110000001111'],
    ['4.111111111111111e15', '4.111110000001111e15'],
    ['4.111111111111111E+15', '4.111110000001111E+15'],
    ['0.4111111111111111e16', '0.4111110000001111e16'],
    ['41111111111111110e-1', '41111100000011110e-1'],
    ['4111111111111111.0', '4111110000001111.0'],
    ['4111111111111111e0', '4111110000001111e0'],
    ['4111.111111111111', '4111.110000001111'],
    ['41111111.11111111', '41111100.00001111'],
    ['4000056655665556', '4000050000005556'],
    ['378282246310005', '378282000000005'],
    ['3.78282246310005e14', '3.78282000000005e14'],
  ])('keeps the number %s a number', (given, wanted) => {
    expect(maskSource(`[${given}]`).text).toBe(`[${wanted}]`);
  });

  it.each(['1.4111111111111111', '0.4012888888881881', '12.4111111111111111', '1700000000000', '1700000000000000000', '4111111111111112', '1e400', '4.1e15'])(
    'leaves the number %s',
    (given) => {
      expect(maskSource(`[${given}]`).text).toBe(`[${given}]`);
    },
  );

  it('hides what stands under a name, whatever its type', () => {
    expect(mask({ cvv: '123', cvc2: 123, card_verification_value: 'abc', pin: '1234', PINBlock: '04124389999AAAAF', securityCode: ['123', 456] })).toEqual({
      cvv: '***',
      cvc2: 0,
      card_verification_value: '***',
      pin: '****',
      PINBlock: '****************',
      securityCode: ['***', 0],
    });
    expect(mask({ cvv: { value: '123', nested: [{ deep: 987 }] }, track2: { raw: '4111111111111111=2912' } })).toEqual({
      cvv: { value: '***', nested: [{ deep: 0 }] },
      track2: { raw: '*'.repeat(21) },
    });
    expect(mask({ pin: 'see the board', cid: 'c-1', cvv: null, cvc: true, cvn: '' })).toEqual({
      pin: 'see the board',
      cid: 'c-1',
      cvv: null,
      cvc: true,
      cvn: '',
    });
    expect(mask({ pan: '4111111111111112', card_number: 4111111111111112 })).toEqual({ pan: '411111******1112', card_number: 4111110000001112 });
    expect(mask({ 'c\u200bvv': '123', ｃｖｖ: '123' })).toEqual({ 'c\u200bvv': '***', ｃｖｖ: '***' });
  });

  it('hides what a record, a row or a list names', () => {
    expect(mask([{ name: 'cvv', value: '123' }])).toEqual([{ name: 'cvv', value: '***' }]);
    expect(mask({ Field: 'CVC', Value: { stringValue: '123' } })).toEqual({ Field: 'CVC', Value: { stringValue: '***' } });
    expect(
      mask({
        columns: ['pan', 'cvv'],
        rows: [
          [pan, '123'],
          ['x', 999],
        ],
      }),
    ).toEqual({
      columns: ['pan', 'cvv'],
      rows: [
        [shown, '***'],
        ['x', 0],
      ],
    });
    expect(mask({ schema: { fields: [{ name: 'id' }, { name: 'cvv' }] }, rows: [{ f: [{ v: '1' }, { v: '123' }] }] })).toEqual({
      schema: { fields: [{ name: 'id' }, { name: 'cvv' }] },
      rows: [{ f: [{ v: '1' }, { v: '***' }] }],
    });
    expect(
      mask([
        ['id', 'cvv'],
        [100, '123'],
        [200, 456],
      ]),
    ).toEqual([
      ['id', 'cvv'],
      [100, '***'],
      [200, 0],
    ]);
    expect(mask({ headers: ['id', 'cvv'], data: { items: [{ values: [1, '123'] }] } })).toEqual({
      headers: ['id', 'cvv'],
      data: { items: [{ values: [1, '***'] }] },
    });
    expect(
      mask([
        ['cvv', '123'],
        ['name', 'Ann'],
      ]),
    ).toEqual([
      ['cvv', '***'],
      ['name', 'Ann'],
    ]);
    expect(mask(['id', '7', 'cvv', '123'])).toEqual(['id', '7', 'cvv', '***']);
    expect(mask(['4111', '1111', '1111', '1111'])).toEqual(['4111', '11**', '****', '1111']);
    expect(mask([4111, 1111, 1111, 1111])).toEqual([4111, 0, 0, 1111]);
    expect(mask(Array.from(pan))).toEqual(Array.from(shown));
  });

  it('keeps schemas that describe a code, and hides the values in them', () => {
    const schema = {
      type: 'object',
      properties: { cvv: { type: 'string', description: 'The code.', pattern: '^[0-9]{3}$', minLength: 3 } },
      required: ['cvv'],
    };
    expect(mask(schema)).toEqual(schema);
    expect(mask({ properties: { cvv: { type: 'string', default: '123', examples: ['456'], enum: [789] } } })).toEqual({
      properties: { cvv: { type: 'string', default: '***', examples: ['***'], enum: [0] } },
    });
    const tools = { tools: [{ name: 'cvv', description: 'Reads 123 codes.' }], arguments: [{ name: 'pin', required: true }] };
    expect(mask(tools)).toEqual(tools);
    expect(mask({ properties: { cvv: { type: '123' } } })).toEqual({ properties: { cvv: { type: '***' } } });
    expect(mask({ properties: { cvv: { type: 'string', secret: '123' } } })).toEqual({ properties: { cvv: { type: '******', secret: '***' } } });
  });

  it('reads JSON in texts and keeps its white space', () => {
    const text = `{\n  "rows": [ { "pan": "${pan}", "n": ${pan}, "cvv": 123 } ]\n}\n`;
    expect(mask({ text })).toEqual({ text: text.replace(pan, shown).replace(pan, '4111110000001111').replace('123 }', '0   }') });
    const inner = JSON.stringify({ a: JSON.stringify({ b: JSON.stringify([{ name: 'cvv', value: '123' }]) }) });
    expect(mask([inner])).toEqual([inner.replace('123', '***')]);
    expect(mask([`1: {"name":"cvv","value":"123"}\n2: {"name":"pin","value":"4567"}`])).toEqual([
      `1: {"name":"cvv","value":"***"}\n2: {"name":"pin","value":"****"}`,
    ]);
    expect(mask(['note "cvv": "123" and {"cvv": "456"'])).toEqual(['note "cvv": "***" and {"cvv": "***"']);
    expect(mask(['{"cvv":"123","cvv":"456"}'])).toEqual(['{"cvv":"***","cvv":"***"}']);
    expect(mask(['got {\\"name\\":\\"cvv\\",\\"value\\":\\"123\\"}'])).toEqual(['got {\\"name\\":\\"cvv\\",\\"value\\":\\"***\\"}']);
    expect(mask(["{'name': 'cvv', 'value': '123'}", "[('cvv', '123')]", '<field name="cvv">123</field>', '<cvv>123</cvv>', 'pin=1234&a=b'])).toEqual([
      "{'name': 'cvv', 'value': '***'}",
      "[('cvv', '***')]",
      '<field name="cvv">***</field>',
      '<cvv>***</cvv>',
      'pin=****&a=b',
    ]);
  });

  it.each([
    ['id,pan,cvv\n1,4111111111111111,123\n2,x,4567', 'id,pan,cvv\n1,411111******1111,***\n2,x,****'],
    ['"id";"cvv"\r\n"1";"123"', '"id";"cvv"\r\n"1";"***"'],
    ['| id | cvv |\n|----|-----|\n| 1 | 123 |', '| id | cvv |\n|----|-----|\n| 1 | *** |'],
    [' id | cvv \n----+-----\n  1 | 123\n(1 row)', ' id | cvv \n----+-----\n  1 | ***\n(1 row)'],
    ['cvv\tname\n123\tAnn', 'cvv\tname\n***\tAnn'],
    ['id   cvv\n1    123', 'id   cvv\n1    ***'],
    ['cvv\n123\n4567', 'cvv\n***\n****'],
    ['id,pin,note\n1,1234,see 1234', 'id,pin,note\n1,****,see 1234'],
  ])('hides columns of tables in text', (given, wanted) => {
    expect(mask([given])).toEqual([wanted]);
  });

  it.each([
    ['base64', base64(`{"card":"${pan}"}`), base64(`{"card":"${shown}"}`)],
    ['base64 twice', base64(base64(`card ${pan}`)), base64(base64(`card ${shown}`))],
    ['base64 in prose', `see ${base64(`card ${pan}`)}, ok`, `see ${base64(`card ${shown}`)}, ok`],
    ['base64url', Buffer.from(`>>>???${pan}`).toString('base64url'), Buffer.from(`>>>???${shown}`).toString('base64url')],
    ['base64 of a table', base64('id,cvv\n1,123\n'), base64('id,cvv\n1,***\n')],
    ['UTF-16', Buffer.from(`card ${pan}`, 'utf16le').toString('base64'), Buffer.from(`card ${shown}`, 'utf16le').toString('base64')],
    ['Latin-1', Buffer.from(`é ${pan}`, 'latin1').toString('base64'), Buffer.from(`é ${shown}`, 'latin1').toString('base64')],
    ['data URI', `data:text/plain;base64,${base64(pan)}`, `data:text/plain;base64,${base64(shown)}`],
    ['a path', `/files/${base64(`x ${pan}`).replaceAll('=', '')}/x`, `/files/${base64(`x ${shown}`).replaceAll('=', '')}/x`],
    ['hexadecimal', Buffer.from(`pan ${pan}`).toString('hex'), Buffer.from(`pan ${shown}`).toString('hex')],
    ['hexadecimal with 0x', `0x${Buffer.from(pan).toString('hex')}`, `0x${Buffer.from(shown).toString('hex')}`],
    ['JSON escapes in text', '\\u0034111111111111111', '\\u003411111******1111'],
    ['hexadecimal escapes', '\\x34\\x3111111111111111', '\\x34\\x311111******1111'],
    ['character references', '&#52;11111111&#x31;111111', '&#52;11111***********1111'],
    ['percent encoding', 'file:///a%2F4111%31111%31111%31111', ''],
    ['form encoding', 'n=4111+1111+1111+1111', 'n=4111+11**+****+1111'],
    ['zero-width characters', '4111\u200b1\u200b111111\u200c11111', ''],
    ['fullwidth digits', '４１１１１１１１１１１１１１１１', '４１１１１１＊＊＊＊＊＊１１１１'],
    ['Arabic digits', '٤١١١١١١١١١١١١١١١', '٤١١١١١××××××١١١١'],
    ['marked-up digits', '4111<b>1111</b>11111111', ''],
    ['colours', '\u001b[1m4111\u001b[0m111111111111', ''],
  ])('hides a card number in %s', (_name, given, wanted) => {
    const [masked] = mask([given]) as [string];
    expect(masked).not.toBe(given);
    if (wanted !== '') expect(masked).toBe(wanted);
    expect(masked.length).toBe(given.length);
  });

  it('hides the values of an echoed statement', () => {
    expect(mask([`insert into cards (id, "pan", cvv) values (1, '${pan}', '123'), (2, 'it''s', 456) returning id`])).toEqual([
      `insert into cards (id, "pan", cvv) values (1, '${shown}', '***'), (2, 'it''s', ***) returning id`,
    ]);
    expect(mask(["update cards set cvv = '123' where id = 100"])).toEqual(["update cards set cvv = '***' where id = 100"]);
  });

  it('hides wrapped base64 in its lines', () => {
    const text = base64(`${'x'.repeat(70)} ${pan} ${'y'.repeat(70)}`).replaceAll(/(.{76})/g, '$1\r\n');
    const [masked] = mask([text]) as [string];
    expect(masked.length).toBe(text.length);
    expect(Buffer.from(masked, 'base64').toString()).toContain(shown);
  });

  it('masks or drops media', () => {
    const png = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0]), Buffer.alloc(60, 0xf1)]).toString('base64');
    const items = { content: [{ type: 'image', data: png, mimeType: 'image/png' }, { resource: { uri: 'a', blob: png } }, `data:image/png;base64,${png}`] };
    expect(mask(items)).toEqual(items);
    expect(maskSource(JSON.stringify(items), { media: 'drop' })).toMatchObject({
      value: { content: [{ type: 'image', data: '', mimeType: 'image/png' }, { resource: { uri: 'a', blob: '' } }, 'data:image/png;base64,'] },
      found: { 'media:dropped': 3 },
    });
    for (const media of ['drop', 'pass'] as const) expect(mask({ blob: base64(`id ${pan}`) }, { media })).toEqual({ blob: base64(`id ${shown}`) });
    const pdf = Buffer.concat([Buffer.from([0x25, 0, 0xff, 0xfe]), Buffer.from(` ${pan} `)]).toString('base64');
    expect(mask({ blob: pdf })).toEqual({ blob: '' });
  });

  it('hides our secrets in every writing', () => {
    const secret = 'Pa$$/w"rd+ü-9';
    const conceal = [secret, 'abc', '83726451'];
    const bytes = Buffer.from(secret);
    for (const text of [
      secret,
      `key=${secret};`,
      secret.toUpperCase(),
      JSON.stringify(secret),
      JSON.stringify(JSON.stringify({ env: secret })),
      encodeURIComponent(secret),
      bytes.toString('hex'),
      bytes.toString('base64'),
      base64(`a${secret}`),
      base64(`ab${secret}z`),
      Buffer.from(`x${secret}`).toString('base64url'),
      Array.from(secret).reverse().join(''),
      Array.from(secret)
        .map((each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join(''),
    ]) {
      const { value, found } = maskSource(JSON.stringify([text]), { conceal });
      expect(value, text).not.toEqual([text]);
      expect(found['secret'], text).toBeGreaterThan(0);
      expect((value as string[])[0]?.length, text).toBe(text.length);
    }
    expect(mask({ n: 83726451, abc: 'abc' }, { conceal })).toEqual({ n: 0, abc: 'abc' });
    expect(mask({ [`k-${secret}`]: 1 }, { conceal })).toEqual({ 'k-**********×**': 1 });
  });

  it('keeps names distinct', () => {
    const { value } = maskSource('{"4111110000001111":1,"4111111111111111":2,"4111110000081111":3}');
    expect(Object.keys(value as object)).toHaveLength(3);
  });

  it.each([
    '550e8400-e29b-41d4-a716-446655440000',
    'd41d8cd98f00b20e4111111111111111',
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '2026-11-22T01:02:03.456789Z',
    '20261122-000123456789',
    '+49 151 12345678',
    'ORD-2026-0001234567',
    'Zażółć gęślą jaźń %41 &amp; \\u0041 “quoted” 👩‍👩‍👧',
    'https://example.org/a/b?c=d&e=f%20g#h',
    'SELECT id, name FROM t WHERE id = 12345',
    'The security of this code is high: 5 stars',
    'a,b,c\n1,2,3\n100,200,300',
    'Tracks: 12, pins: none, cvv not stored',
    'dGhpcyBpcyBhIGxvbmcgZW5vdWdoIHRleHQ=',
    '[1, 2, 3, 100, 2000] and {"a": 1.50, "b": [true, null]}',
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjMifQ.',
    'structuredContent notifications/tools/list_changed io.modelcontextprotocol/protocolVersion',
  ])('leaves %s', (text) => {
    const source = JSON.stringify({ text, more: [text] });
    expect(maskSource(source).text).toBe(source);
  });

  it('gives the same node when nothing is hidden, and lets clean messages pass the quick look', () => {
    const clean = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'hello\nworld' }], structuredContent: { ok: true }, isError: false } };
    const node = fromValue(clean);
    expect(maskJson(node, { media: 'pass', conceal: [] }, () => undefined)).toEqual({ node, changed: false });
    expect(mayNeedJsonMask(Buffer.from(JSON.stringify(clean)))).toBe(false);
  });

  it('refuses to look at what is wrapped too often', () => {
    let text = '%41'.repeat(30_000);
    for (let wraps = 0; wraps < 3; wraps++) text = JSON.stringify([text, text, text, text, text, text]);
    expect(() => maskJson(fromValue(Array.from({ length: 40 }, () => text)), { media: 'pass', conceal: [] }, () => undefined, 1)).toThrow('masked');
  });
});
