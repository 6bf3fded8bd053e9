import { describe, expect, it } from 'vitest';
import { allPans, luhn, testPans, truncated } from '../../test/support/masking-cases.ts';
import { detect } from './detector.ts';
import { mayHoldPan } from './digit-run.ts';
import { maskText } from './text.ts';

function found(text: string): ReturnType<typeof detect> {
  const bytes = Buffer.from(text);
  return detect(bytes, 0, bytes.length, () => undefined);
}

const separators: Readonly<Record<string, string>> = {
  space: ' ',
  dash: '-',
  dot: '.',
  underscore: '_',
  'no-break space': '\u00a0',
  'narrow no-break space': '\u202f',
  'thin space': '\u2009',
  'en dash': '\u2013',
  'non-breaking hyphen': '\u2011',
  'soft hyphen': '\u00ad',
  'zero-width space': '\u200b',
  'word joiner': '\u2060',
  'two spaces': '  ',
  'spaced dash': ' - ',
};

function fullwidth(text: string): string {
  return text.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)));
}

function grouped(pan: string, separator: string): string {
  const sizes = pan.length === 15 ? [4, 6, 5] : pan.length === 14 ? [4, 6, 4] : [4, 4, 4, 4, 3];
  let at = 0;
  return sizes
    .map((size) => pan.slice(at, (at += size)))
    .filter((group) => group !== '')
    .join(separator);
}

function digitsOf(text: string): string {
  return text.replaceAll(/\D/g, '');
}

describe('detect', () => {
  it.each(Object.entries(testPans))('finds %s', (_brand, pans) => {
    for (const pan of pans) {
      expect(luhn(pan), pan).toBe(true);
      expect(maskText(`x ${pan} y`), pan).toBe(`x ${truncated(pan)} y`);
    }
  });

  it.each(Object.entries(separators))('finds numbers grouped by %s', (_name, separator) => {
    for (const pan of allPans) {
      const text = `pay ${grouped(pan, separator)} now`;
      const masked = maskText(text);
      if (pan.length === 13 && separator.length > 1) continue;
      expect(digitsOf(masked), text).toBe(pan.slice(0, 6) + pan.slice(-4));
      expect(masked.length).toBe(text.length);
    }
  });

  it('finds fullwidth digits and keeps their width', () => {
    for (const pan of allPans) {
      const masked = maskText(`番号${fullwidth(pan)}。`);
      expect(masked).toBe(`番号${fullwidth(pan.slice(0, 6))}${'＊'.repeat(pan.length - 10)}${fullwidth(pan.slice(-4))}。`);
    }
  });

  it.each(['card%s', '%sabc', 'a%sb', 'Ä%sß', '(%s)', '#%s,', '"%s"', "'%s'", 'PAN=%s;', '<b>%s</b>', 'é%s', 'x=%s&y', '\t%s\n', '%s/', '*%s*', 'IBAN %s'])(
    'finds numbers in %s',
    (frame) => {
      for (const pan of allPans) expect(maskText(frame.replace('%s', pan)), frame).toBe(frame.replace('%s', truncated(pan)));
    },
  );

  it('finds a number before an expiry and hides the code behind it', () => {
    expect(maskText('4012888888881881 12/29 123')).toBe('401288******1881 12/29 ***');
    expect(maskText('4012888888881881|12|2029|123')).toBe('401288******1881|12|2029|***');
    expect(maskText('378282246310005;01/27;1234;')).toBe('378282*****0005;01/27;****;');
    expect(maskText('"4012888888881881","12/29","123"')).toBe('"401288******1881","12/29","***"');
    expect(maskText('4012888888881881 12/29')).toBe('401288******1881 12/29');
    expect(maskText('4012888888881881 1229 and 12345')).toBe('401288******1881 1229 and 12345');
  });

  it('finds a number behind and among others', () => {
    expect(maskText('ref 12345 4012888888881881')).toBe('ref 12345 401288******1881');
    expect(maskText('1 2 3 4012888888881881 4 5')).toBe('1 2 3 401288******1881 4 5');
    expect(maskText('4111 1111 1111 1111 4012 8888 8888 1881')).toBe('4111 11** **** 1111 4012 88** **** 1881');
    expect(maskText('00004012888888881881')).toBe('0000401288******1881');
    expect(maskText('id 77 0004012888888881881')).toBe('id 77 000401288******1881');
  });

  it('finds numbers inside longer ones only where a card word stands before', () => {
    expect(maskText('card no 9940128888888818811')).toBe('card no 99401288******18811');
    expect(maskText('account 9940128888888818811')).toBe('account 9940128888888818811');
    expect(maskText('company_span 9940128888888818811')).toBe('company_span 9940128888888818811');
  });

  it('hides all of a track', () => {
    expect(maskText(';4111111111111111=29121010000012345678?')).toBe(`;${'*'.repeat(37)}?`);
    expect(maskText("%B4111111111111111^DOE/JOHN O'B^29121010000012345678?")).toBe(`%B${'*'.repeat(50)}?`);
    expect(maskText('%b4111111111111111^doe/john^29121010000012345678?')).toBe(`%b${'*'.repeat(46)}?`);
    expect(maskText('4111111111111111D29122011000012345F')).toBe(`${'*'.repeat(34)}F`);
    // the number of a private brand: the sentinel tells
    expect(maskText(';9999999999999999=2912101?')).toBe(`;${'*'.repeat(24)}?`);
    expect(JSON.parse(maskText('{"t":"B4111111111111111^DOE/JOHN^2912101","next":1}'))).toEqual({ t: `B${'*'.repeat(33)}`, next: 1 });
  });

  it('takes the usual grouping for the issuer', () => {
    expect(maskText('6759 6498 2643 8453')).toBe('6759 64** **** 8453');
    expect(maskText('3412-345678-90121')).toBe('3412-345678-90121');
    expect(maskText('6759649826438453')).toBe('6759649826438453');
  });

  it('depends on nothing outside the value', () => {
    const text = 'card deadbeef 9940128888888818811 deadbeefdeadbeef';
    const bytes = Buffer.from(text);
    const [start, end] = [text.indexOf('99'), text.indexOf('99') + 19];
    expect(detect(bytes, start, end, () => undefined).pans).toBe(0);
    const hash = Buffer.from('d41d8cd98f00b20e4111111111111111');
    expect(detect(hash, 16, 32, () => undefined).pans).toBe(1);
    expect(detect(hash, 0, 32, () => undefined).pans).toBe(0);
  });

  it('counts each number once', () => {
    expect(found('4012888888881881 123, 4111111111111111')).toEqual({ pans: 2, tracks: 0, codes: 0 });
    expect(found('nothing')).toEqual({ pans: 0, tracks: 0, codes: 0 });
    expect(found('4012888888881881 12/29 123')).toEqual({ pans: 1, tracks: 0, codes: 1 });
    expect(found('card 4111111111111111, thank you')).toEqual({ pans: 1, tracks: 0, codes: 0 });
  });

  it.each([
    '4111111111111112',
    '1111111111111111',
    '0000000000000000',
    '0.4012888888881881',
    '12.4111111111111111',
    '+4915112345678',
    '+49 151 12345678',
    '0049 151 1234 5678',
    '4006381333931',
    '550e8400-e29b-41d4-a716-446655440000',
    '41111111-1111-4111-8111-111111111111',
    'DE89370400440532013000',
    'AT61 1904 3002 3457 3201',
    '2024-01-01 12:34:56.789012',
    '1700000000000',
    '1700000000000000000',
    '1234567890123456789',
    '192.168.100.100',
    '978-3-16-148410-0',
    '356938035643809',
    'd41d8cd98f00b20e4111111111111111',
    '0xd41d8cd98f00b20e4111111111111111',
    'd41d8cd94111111111111111d41d8cd98f00b204',
  ])('leaves %s', (text) => {
    expect(maskText(text)).toBe(text);
  });

  it('hides what only looks like a hash', () => {
    for (const text of ['4111111111111111-aaaaaaaaaaaaaaaaaaaa', 'gd41d8cd98f00b20e4111111111111111', '4111111111111111aaaaaaaaaaaaaaa'])
      expect(maskText(text), text).toContain('411111******1111');
  });

  it('finds numbers across the cut of a long run', () => {
    for (let before = 990; before < 1040; before++) {
      const text = `${'7 '.repeat(before)}4012888888881881 ${'7 '.repeat(1100)}`;
      expect(maskText(text).includes('401288******1881'), String(before)).toBe(true);
    }
  });

  it('the quick look sees every test number at every offset', () => {
    for (const pan of [...allPans, ...allPans.map((each) => grouped(each, ' ')), ...allPans.map(fullwidth)]) {
      for (let before = 0; before < 40; before++) {
        const bytes = Buffer.from(`${'.x'.repeat(30).slice(0, before)}${pan}x`);
        expect(mayHoldPan(bytes, 0, bytes.length)).toBe(true);
      }
    }
  });
});
