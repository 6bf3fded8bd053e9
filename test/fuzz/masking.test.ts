import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShapeColumn } from '../../proxy/contract/shape.ts';
import { detect, nextPossible } from '../../proxy/masking/detector.ts';
import { mayHoldPan } from '../../proxy/masking/digit-run.ts';
import { createMasking } from '../../proxy/masking/masking.ts';
import { maskText } from '../../proxy/masking/text.ts';
import { mayNeedScan, scanValue } from '../../proxy/masking/value.ts';
import { digitsFrom, luhn, random, randomPan, readRows, rowsOf, truncated, walkRows } from '../support/masking-cases.ts';

type Next = () => number;

const pick = (next: Next, from: readonly string[]): string => from[Math.floor(next() * from.length)] ?? '';
const pad = (value: number, width: number): string => String(value).padStart(width, '0');

function hex(next: Next, count: number): string {
  let text = '';
  while (text.length < count) text += (0x100_0000 + Math.floor(next() * 0x100_0000)).toString(16).slice(1);
  return text.slice(0, count);
}

function clock(next: Next): string {
  return new Date(1_000_000_000_000 + Math.floor(next() * 1_200_000_000_000)).toISOString();
}

function ean13(next: Next): string {
  const body = pick(next, ['400', '401', '440', '450', '490', '360', '539']) + digitsFrom(next, 9);
  const sum = Array.from(body).reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 1 : 3), 0);
  return body + String((10 - (sum % 10)) % 10);
}

function iban(country: string, digits: string): string {
  let rest = 0;
  for (const digit of `${digits}${Array.from(country)
    .map((letter) => letter.charCodeAt(0) - 55)
    .join('')}00`)
    rest = (rest * 10 + Number(digit)) % 97;
  return `${country}${pad(98 - rest, 2)}${digits}`;
}

function imei(next: Next): string {
  const body = `35${digitsFrom(next, 12)}`;
  for (let check = 0; check < 10; check++) if (luhn(body + String(check))) return body + String(check);
  return body;
}

const grouped = (text: string, size: number, by: string): string => text.replaceAll(new RegExp(`(.{${String(size)}})(?=.)`, 'g'), `$1${by}`);

/** kind → how many of a million may be taken for a card number, generator */
const negatives: Readonly<Record<string, readonly [number, Next2Text]>> = {
  'ms epochs': [0, (next) => String(1_000_000_000_000 + Math.floor(next() * 1_200_000_000_000))],
  'µs epochs': [0, (next) => `${String(1_000_000_000_000 + Math.floor(next() * 1_000_000_000_000))}${digitsFrom(next, 3)}`],
  'ns epochs': [0, (next) => `1${String(6 + Math.floor(next() * 3))}${digitsFrom(next, 17)}`],
  snowflakes: [0, (next) => `1${digitsFrom(next, 18)}`],
  'time stamps': [
    0,
    (next) =>
      clock(next)
        .replace('T', ' ')
        .replace('Z', `${digitsFrom(next, 3)}+00`),
  ],
  'compact time stamps': [0, (next) => clock(next).replaceAll(/\D/g, '').slice(0, 14)],
  UUIDs: [0, (next) => `${hex(next, 8)}-${hex(next, 4)}-4${hex(next, 3)}-a${hex(next, 3)}-${hex(next, 12)}`],
  'md5 and sha': [
    0,
    (next) =>
      createHash(pick(next, ['md5', 'sha1', 'sha256']))
        .update(String(next()))
        .digest('hex'),
  ],
  'object ids': [500, (next) => `6${hex(next, 23)}`],
  'order ids': [0, (next) => `${clock(next).slice(0, 10).replaceAll('-', '')}${digitsFrom(next, 8)}`],
  'invoice numbers': [0, (next) => `INV-${clock(next).slice(0, 4)}-${digitsFrom(next, 8)}`],
  'German IBANs': [0, (next) => iban('DE', digitsFrom(next, 18))],
  'German IBANs in groups': [0, (next) => grouped(iban('DE', digitsFrom(next, 18)), 4, ' ')],
  'Austrian IBANs in groups': [0, (next) => grouped(iban('AT', digitsFrom(next, 16)), 4, ' ')],
  fractions: [0, (next) => String(next())],
  amounts: [0, (next) => `${digitsFrom(next, 1 + Math.floor(next() * 9))}.${digitsFrom(next, 2)}`],
  coordinates: [1000, (next) => `(${(next() * 180).toFixed(14)},${(next() * 90).toFixed(14)})`],
  'telephone numbers': [
    0,
    (next) =>
      `+${pick(next, ['49', '44', '1', '55', '62', '65'])}${pick(next, ['', ' '])}${digitsFrom(next, 3)}${pick(next, ['', ' ', '-'])}${digitsFrom(next, 8)}`,
  ],
  'IP addresses': [0, (next) => Array.from({ length: 4 }, () => String(Math.floor(next() * 256))).join('.')],
  IMEIs: [0, imei],
  'article numbers': [0, ean13],
  'small numbers in a row': [12_000, (next) => Array.from({ length: 12 }, () => String(Math.floor(next() * 1000))).join(pick(next, [' ', ', ', '\t']))],
  '16 random digits': [30_000, (next) => digitsFrom(next, 16)],
  '13 random digits': [12_000, (next) => digitsFrom(next, 13)],
  '19 random digits': [20_000, (next) => digitsFrom(next, 19)],
};
type Next2Text = (next: Next) => string;

const eachKind = 40_100;

describe('false positives', { timeout: 60_000 }, () => {
  it('stay under their bounds over a million values', () => {
    const rates: Record<string, number> = {};
    let total = 0;
    for (const [kind, [, make]] of Object.entries(negatives)) {
      const next = random(kind.length * 7919);
      let hits = 0;
      for (let count = 0; count < eachKind; count++) {
        const bytes = Buffer.from(make(next));
        hits += detect(bytes, 0, bytes.length, () => undefined).pans;
      }
      rates[kind] = Math.round((hits / eachKind) * 1_000_000);
      total += eachKind;
    }
    const excess = Object.entries(rates).filter(([kind, rate]) => rate > (negatives[kind]?.[0] ?? 0));
    if (process.env['MASKING_RATES'] !== undefined) process.stdout.write(`${JSON.stringify(rates, null, 1)}\n`);
    expect(excess).toEqual([]);
    expect(total).toBeGreaterThanOrEqual(1_000_000);
  });
});

const seed = fc.integer();
const anyText = fc.string({ unit: fc.constantFrom(...Array.from('abcdef0123456789 -.,:;"\'{}[]\\=^%?é１　\u00a0ＡcvvPAN\n')), maxLength: 80 });
const outside = fc.string({ unit: fc.constantFrom(...Array.from('xyzXYZ,;()#é&|\n\t')), maxLength: 60 });

describe('a card number', { timeout: 60_000 }, () => {
  it('is found in any text at any offset', () => {
    fc.assert(
      fc.property(seed, anyText, anyText, (start, before, after) => {
        const pan = randomPan(random(start));
        // a digit boundary that no decimal point, plus sign, track or other number touches
        const text = `${before}x${pan}y${after}`;
        const bytes = Buffer.from(text);
        const at = bytes.indexOf(pan);
        const shown = Buffer.from(text);
        detect(bytes, 0, bytes.length, (from, to) => shown.fill(0x2a, from, to));
        const window = shown.toString('latin1', at, at + pan.length);
        expect(window.slice(6, -4)).toBe('*'.repeat(pan.length - 10));
        expect(mayHoldPan(bytes, 0, bytes.length)).toBe(true);
      }),
      { numRuns: 4_000 },
    );
  });

  it('is found among other numbers', () => {
    fc.assert(
      fc.property(
        seed,
        fc.array(fc.integer({ min: 0, max: 9_999_999 }), { maxLength: 5 }),
        fc.array(fc.integer({ min: 0, max: 9999 }), { maxLength: 5 }),
        (start, before, after) => {
          const pan = randomPan(random(start));
          const text = [...before, pan, ...after].join(' ');
          expect(maskText(text)).not.toContain(pan.slice(6, -4) + pan.slice(-4));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('keeps first 6 and last 4 only, in text', () => {
    fc.assert(
      fc.property(seed, outside, outside, (start, before, after) => {
        const pan = randomPan(random(start));
        expect(maskText(`${before}${pan}${after}`)).toBe(`${before}${truncated(pan)}${after}`);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('masking', { timeout: 60_000 }, () => {
  it('the quick look misses nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          anyText.map((text) => text.repeat(3)),
        ),
        (text) => {
          const bytes = Buffer.from(text);
          const before = Buffer.from(bytes);
          let masked = 0;
          scanValue(bytes, { start: 0, end: bytes.length, type: 'text' }, () => masked++);
          if (masked > 0) expect(mayNeedScan(before, 0, before.length)).toBe(true);
          else expect(bytes.equals(before)).toBe(true);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('keeps lengths and UTF-8 and changes nothing the second time', () => {
    fc.assert(
      fc.property(anyText, seed, anyText, (before, start, after) => {
        const text = (before + randomPan(random(start)) + after).toWellFormed();
        const once = maskText(text);
        expect(once.length).toBe(text.length);
        expect(Buffer.byteLength(once)).toBe(Buffer.byteLength(text));
        expect(once.includes('\ufffd')).toBe(text.includes('\ufffd'));
        expect(maskText(once)).toBe(once);
      }),
      { numRuns: 4_000 },
    );
  });

  it('leaves JSON that can be parsed', () => {
    const scalar = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      seed.map((each) => Number(randomPan(random(each)))),
      seed.map((each) => randomPan(random(each))),
    );
    const key = fc.oneof(fc.string(), fc.constantFrom('cvv', 'pin', 'pan', 'card_number', 'track2', 'securityCode', 'cid', 'CVC2'));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('tree'), { maxLength: 4 }), fc.dictionary(key, tie('tree'), { maxKeys: 4 })),
    }));
    fc.assert(
      fc.property(tree, fc.constantFrom(undefined, 1), (value, indent) => {
        for (const type of ['json', 'text'] as const) {
          const source = JSON.stringify(value, null, indent);
          if (type === 'text' && !/^[[{]/.test(source)) continue;
          const bytes = Buffer.from(source);
          scanValue(bytes, { start: 0, end: bytes.length, type }, () => undefined);
          expect(bytes.length).toBe(Buffer.byteLength(source));
          expect(() => JSON.parse(bytes.toString()) as unknown, `${source} → ${bytes.toString()}`).not.toThrow();
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('a million hostile inputs never throw nor touch bytes outside', () => {
    const next = random(42);
    const pieces = [
      '4111111111111111',
      '4111 1111',
      '5555555555554444',
      'cvv',
      'CVC2:',
      '"pin":',
      '"pan":"',
      '{',
      '[',
      '\\',
      '\\x',
      '34313131',
      '=',
      '^',
      ';',
      '%B',
      '"',
      ' ',
      '-',
      '.',
      '\xff',
      '\xef\xbc\x91',
      '\xc2\xa0',
      '\xe2\x80',
      '\xef',
      'security code ',
      '0',
      '123',
      'card ',
      'DE89',
      '\0',
    ].map((piece) => Buffer.from(piece, 'latin1'));
    const types = ['text', 'number', 'json', 'bytes', 'text'] as const;
    const buffer = Buffer.alloc(128);
    const count = (): void => undefined;
    for (let round = 0; round < 1_000_000; round++) {
      let length = 2;
      for (let piece = Math.floor(next() * 7); piece >= 0 && length < 90; piece--) {
        const chosen = pieces[Math.floor(next() * pieces.length)] ?? Buffer.alloc(0);
        length += chosen.copy(buffer, length);
      }
      buffer[Math.floor(next() * length)] = Math.floor(next() * 256);
      const [first, second, behind] = [buffer[0], buffer[1], buffer[length]];
      scanValue(buffer, { start: 2, end: length, type: types[round % 5] ?? 'text' }, count);
      if (buffer[0] !== first || buffer[1] !== second || buffer[length] !== behind)
        expect.fail(`touched bytes outside: ${buffer.toString('latin1', 0, length)}`);
    }
  });

  it('what is found in a value is possible in its chunk, whatever stands around', () => {
    const next = random(99);
    let found = 0;
    for (let round = 0; round < 60_000; round++) {
      const digits = digitsFrom(next, 14 + (round % 6));
      const value = round % 3 === 0 ? digits : grouped(digits, 4, pick(next, [' ', '-', '\u00a0', ' - ']));
      const bytes = Buffer.from(`card 12${'\0'.repeat(round % 2)}${value}${pick(next, ['', '7', ' '])}`);
      const start = bytes.indexOf(value);
      const end = start + Buffer.byteLength(value);
      if (detect(bytes, start, end, () => undefined).pans === 0) continue;
      found++;
      expect(nextPossible(bytes, 0, bytes.length), value).toBeGreaterThanOrEqual(0);
    }
    expect(found).toBeGreaterThan(500);
  });

  it('a chunk of many values is masked as each value alone', () => {
    const port = createMasking().port;
    const columns = ['text', 'number', 'json', 'bytes', 'inert'].map(
      (type) => ({ name: type, origin: null, reads: [], type, encoding: 'text' }) as ShapeColumn,
    );
    const value = fc.oneof(
      anyText,
      seed.map((each) => randomPan(random(each))),
      fc.constantFrom(
        '4111 1111',
        '1111 1111',
        '{"pin":"1234"}',
        'security code 999',
        'cvv',
        '123',
        'CVC 123',
        '\\x34313131313131313131313131313131',
        ';9999999999999999=2912101?',
        'card 9940128888888818811',
        '6759 6498 2643 8453',
        '7'.repeat(48),
        '',
      ),
      fc.constant(null),
    );
    const row = fc.tuple(value, value, value, value, value);
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 5 }), (rows, count) => {
        const shape = columns.slice(0, count);
        const cells = rows.map((each) => each.slice(0, count));
        const together = readRows(port.compile('r', { columns: shape }, () => false).rows(rowsOf(cells), walkRows));
        const alone = cells.flatMap((each) =>
          each.flatMap((cell, index) => readRows(port.compile('r', { columns: shape.slice(index, index + 1) }, () => false).rows(rowsOf([[cell]]), walkRows))),
        );
        expect(together).toEqual(alone);
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ['digits', '4111111111111111'],
    ['spaced digits', '4 1 1 1 '],
    ['zeros', '0'],
    ['separators', ' - . '],
    ['card and digits', 'card 99411111111111111199 '],
    ['quotes', '"'],
    ['keys', '"cvv":'],
    ['escapes', '"\\'],
    ['labels', 'cvv '],
    ['label letters', 'cvcvcv'],
    ['words', 'security '],
    ['open arrays', '{"pan":['],
    ['hex tokens', '4111111111111111a'],
    ['dashes', '4111111111111111-'],
    ['fullwidth', '１'],
    ['tracks', '4111111111111111=1'],
    ['names', '4111111111111111^A/B'],
    ['numbers in an array', '[4111111111111111 '],
    ['wide bytes', '\u2009'],
  ])('ends on a megabyte of %s', (_name, piece) => {
    for (const type of ['text', 'json', 'number', 'bytes'] as const) {
      const length = type === 'text' ? 1_048_576 : 262_144;
      const bytes = Buffer.from(`[${piece.repeat(Math.ceil(length / piece.length))}`).subarray(0, length);
      scanValue(bytes, { start: 0, end: bytes.length, type }, () => undefined);
      expect(bytes.length).toBe(length);
    }
  });
});
