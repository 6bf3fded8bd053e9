import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../proxy/lib/errors.ts';
import { leaves } from '../../proxy/lib/json/node.ts';
import type { JsonNode } from '../../proxy/lib/json/node.ts';
import { canonicalDigestInput, serialise, written } from '../../proxy/lib/json/serialise.ts';
import { parseJson } from '../../proxy/lib/json/strict-json.ts';
import { maskJson } from '../../proxy/masking/json.ts';
import { mayNeedJsonMask } from '../../proxy/masking/json-look.ts';
import { random, randomPan } from '../support/masking-cases.ts';

const limits = { maxBytes: 1_000_000, maxDepth: 64, maxNodes: 100_000 };

function tryParse(bytes: Uint8Array): JsonNode | null {
  try {
    return parseJson(bytes, limits);
  } catch (error) {
    if (error instanceof AppError) return null;
    throw error;
  }
}

const seed = fc.integer();
const secret = 'tok-5f2a99c1';
const name = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom(
    'cvv',
    'pin',
    'pan',
    'card_number',
    'name',
    'value',
    'columns',
    'rows',
    'properties',
    'type',
    'data',
    'blob',
    'mimeType',
    'text',
    'id',
    'Security Code',
    'c\u017fc',
  ),
);
const pan = seed.map((each) => randomPan(random(each)));
const words = fc.constantFrom(
  'cvv: 123',
  'id,cvv\n1,123',
  '%34111111111111111',
  '4111&#49;11111111111',
  '\\u003411111111111111',
  'pin',
  'postern_abcdefgh_abcdefghijkl',
  '=',
  ',',
  '{"cvv":"123"}',
  '[4111,1111,1111,1111]',
  'image',
  'data:a/b;base64,AAECAwQF',
  '\u200b',
  '１２３',
  '<b>',
  'security code 999',
  secret,
  'structuredContent',
  '123',
  'cvv',
);
const plainText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  words,
  pan,
  fc.array(fc.oneof(words, pan, fc.string({ maxLength: 4 })), { maxLength: 5 }).map((all) => all.join('')),
);
const encoded = fc
  .tuple(fc.constantFrom('base64', 'base64url', 'hex', 'json', 'uri'), plainText)
  .map(([form, text]) =>
    form === 'json' ? JSON.stringify([text]) : form === 'uri' ? encodeURIComponent(text) : Buffer.from(text).toString(form as BufferEncoding),
  );
const number = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => JSON.stringify(each)),
  pan,
  pan.map((each) => `${each.charAt(0)}.${each.slice(1)}e${String(each.length - 1)}`),
  pan.map((each) => `${each.slice(0, 4)}.${each.slice(4)}`),
  fc.constantFrom('123', '0', '-0', '1e5', '4111'),
);

const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(plainText, encoded).map((text) => JSON.stringify(text.toWellFormed())),
    number,
    fc.constantFrom('true', 'false', 'null'),
    fc.array(tie('tree'), { maxLength: 5 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(fc.oneof(name, plainText), tie('tree')), { maxLength: 5 })
      .map((members) => `{${[...new Map(members)].map(([key, value]) => `${JSON.stringify(key.toWellFormed())}:${value}`).join(',')}}`),
  ),
}));

/** Types, members, items and their number; names may be masked. */
function shapeOf(node: JsonNode): unknown {
  if (node.kind === 'array') return node.items.map(shapeOf);
  if (node.kind === 'object') return { of: node.members.map(({ value }) => shapeOf(value)) };
  return node.kind === 'boolean' ? node.value : node.kind;
}

describe('parseJson', { timeout: 60_000 }, () => {
  it('takes what JSON.parse takes with equal names and halves of pairs aside, with the same values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t\r\n '), (value, indent) => {
        const source = JSON.stringify(value, null, indent);
        const node = tryParse(Buffer.from(source));
        if (node === null) {
          expect(/\\u[0-9a-f]{4}|[\u007f-\u009f]|\\[bfnrt]/i.test(source), source).toBe(true);
          return;
        }
        expect(JSON.parse(Buffer.from(serialise(node)).toString())).toEqual(JSON.parse(source));
        expect(JSON.parse(Buffer.from(canonicalDigestInput(node)).toString())).toEqual(JSON.parse(source));
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes nothing that JSON.parse refuses, however bytes are changed', () => {
    const edit = fc.tuple(
      fc.nat(400),
      fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\{}[],:0123eE.-+u \n\t'))),
      fc.constantFrom('set', 'insert', 'delete'),
    );
    let taken = 0;
    fc.assert(
      fc.property(tree, fc.array(edit, { maxLength: 4 }), (source, edits) => {
        let bytes = Buffer.from(source);
        for (const [position, byte, how] of edits) {
          const at = position % (bytes.length + 1);
          const rest = bytes.subarray(how === 'insert' ? at : at + 1);
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(how === 'delete' ? [] : [byte]), rest]);
        }
        const node = tryParse(bytes);
        if (node === null) return;
        taken++;
        const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
        const value: unknown = JSON.parse(text);
        expect(JSON.parse(written(node))).toEqual(value);
        // strict JSON survives a second reading byte by byte
        expect(written(parseJson(serialise(node), limits))).toBe(written(node));
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(2_000);
  });
});

describe('maskJson', { timeout: 120_000 }, () => {
  it('keeps shapes, hides every card number, and is seen by the quick look', () => {
    const conceal = [secret];
    let changes = 0;
    fc.assert(
      fc.property(tree, fc.constantFrom('drop', 'pass'), (source, media) => {
        const bytes = Buffer.from(source);
        const node = tryParse(bytes);
        if (node === null) return;
        const found: string[] = [];
        const masked = maskJson(node, { media, conceal }, (rule) => found.push(rule));
        expect(shapeOf(masked.node)).toEqual(shapeOf(node));
        const again = parseJson(serialise(masked.node), limits);
        expect(written(again)).toBe(written(masked.node));
        if (masked.changed) {
          changes++;
          expect(mayNeedJsonMask(bytes, conceal), source).toBe(true);
        } else expect(masked.node).toBe(node);
        expect(masked.changed, written(masked.node)).toBe(found.length > 0);
        if (media === 'pass') {
          const [before, after] = [[...leaves(node)], [...leaves(masked.node)]];
          for (const [index, { node: leaf }] of before.entries()) {
            const now = after[index]?.node;
            if (leaf.kind === 'string' && now?.kind === 'string' && !/data:/.test(leaf.text) && now.text !== '') expect(now.text.length).toBe(leaf.text.length);
          }
        }
        expect(written(masked.node)).not.toContain(secret);
      }),
      { numRuns: 20_000 },
    );
    expect(changes).toBeGreaterThan(2_000);
  });

  it('lets no card number through in any wrapping', () => {
    const wraps: readonly ((text: string) => string)[] = [
      (text) => JSON.stringify({ a: text }),
      (text) => `note: ${JSON.stringify([text, 1])} end`,
      (text) => Buffer.from(`${text} `).toString('base64'),
      (text) => Buffer.from(`${text}é`).toString('base64url'),
      (text) => Buffer.from(`${text}. `).toString('hex'),
      (text) => encodeURIComponent(text),
      (text) => Array.from(text, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
      (text) => Array.from(text, (each) => `&#${String(each.charCodeAt(0))};`).join(''),
      (text) => `a,b\n${text},2`,
      (text) => `${text}\n`,
    ];
    fc.assert(
      fc.property(pan, fc.array(fc.nat(wraps.length - 1), { minLength: 1, maxLength: 3 }), (number, choice) => {
        const text = choice.reduce((inner, index) => wraps[index]?.(inner) ?? inner, number);
        const found: string[] = [];
        const { node, changed } = maskJson({ kind: 'string', text }, { media: 'pass', conceal: [] }, (rule) => found.push(rule));
        expect(changed, text).toBe(true);
        expect(found).toContain('detector:pan');
        expect(node.kind === 'string' ? node.text.length : -1).toBe(text.length);
        const second = maskJson(node, { media: 'pass', conceal: [] }, () => undefined);
        expect(second.changed, written(second.node)).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['brackets', '['],
    ['open strings', '["'],
    ['objects', '{"a":'],
    ['backslashes', '\\'],
    ['percents', '%25'],
    ['quotes', '"\','],
    ['colons', 'cvv:'],
    ['elements', '>'],
    ['open elements', '<a '],
    ['lines', 'id,cvv\n'],
    ['blanks', 'pin '],
    ['base64', 'QUFB'],
    ['hexadecimal', '3431'],
    ['numbers', '4111111111111111,'],
    ['zero widths', '4\u200b'],
    ['data URIs', 'data:a/b;base64,'],
    ['entities', '&#52;'],
    ['names', 'value="'],
    ['statements', '(pan,cvv) values ('],
    ['tuples', "(cvv) values ('1'),"],
    ['quotes of SQL', "(cvv) values (''''''''"],
  ])('ends soon on 200 KB of %s', (_name, piece) => {
    const text = piece.repeat(Math.ceil(200_000 / piece.length));
    const start = process.cpuUsage().user;
    try {
      maskJson({ kind: 'string', text }, { media: 'pass', conceal: [secret] }, () => undefined);
    } catch (error) {
      expect((error as AppError).code).toBe('ERR_MASKING_FAILED');
    }
    mayNeedJsonMask(Buffer.from(text));
    // the processor's time: the machine may be busy
    expect((process.cpuUsage().user - start) / 1_000).toBeLessThan(8_000);
  });
});
