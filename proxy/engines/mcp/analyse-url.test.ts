import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyseUrl } from './analyse-url.ts';

const any = [
  'https://*.example.com',
  'https://example.com',
  'http://127.0.0.1:8080',
  'http://[::1]',
  'https://api.test/v1/*',
  'https://exact.test/a',
  'wss://live.test',
];

describe('an address', () => {
  it.each([
    ['https://example.com', 'https://example.com:443'],
    ['https://example.com:443/x?y#z', 'https://example.com:443'],
    ['HTTPS://EXAMPLE.com/', 'https://example.com:443'],
    ['https://a.b.example.com/%20', 'https://a.b.example.com:443'],
    ['http://127.0.0.1:8080/a//b', 'http://127.0.0.1:8080'],
    ['http://[::1]/', 'http://[::1]:80'],
    ['https://api.test/v1/', 'https://api.test:443'],
    ['https://api.test/v1/a/b?x=/../', 'https://api.test:443'],
    ['https://exact.test/a?b', 'https://exact.test:443'],
    ['wss://live.test/feed', 'wss://live.test:443'],
  ])('%s leads to %s', (text, where) => {
    expect(analyseUrl(text, any)).toBe(where);
  });

  it.each([
    ...[
      'https://evil.test',
      'http://example.com',
      'https://example.com:8443',
      'https://notexample.com',
      'https://example.com.evil.test',
      'https://.example.com',
    ],
    ...['https://api.test/v2/x', 'https://api.test/v1', 'https://exact.test/a/', 'https://exact.test/ab', 'ws://live.test', 'https://127.0.0.1:8080'],
  ])('%s is not allowed', (text) => {
    expect(() => analyseUrl(text, any)).toThrow();
  });

  it.each([
    ...[
      '',
      'example.com',
      '//example.com',
      'ftp://example.com',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'https:example.com',
      'https:/example.com',
      'https:///example.com',
    ],
    ...[
      'https://user@example.com',
      'https://example.com@evil.test',
      'https://evil.test\\@example.com',
      'https://evil.test#@example.com\\',
      'https://example.com\\.evil.test',
    ],
    ...[
      ' https://example.com',
      'https://example.com ',
      'https://exam\tple.com',
      'https://example.com\n',
      'https://ex\u00adample.com',
      'https://example。com',
      'https://ｅxample.com',
    ],
    ...[
      'https://example.com.',
      'https://example.com:',
      'https://example.com:0443',
      'https://%65xample.com',
      'http://2130706433:8080',
      'http://0x7f.1:8080',
      'http://127.1:8080',
    ],
    ...[
      'http://[0:0:0:0:0:0:0:1]/',
      'http://[::1%25eth0]/',
      'https://api.test/v1/../v2',
      'https://api.test/v1/%2e%2e/v2',
      'https://api.test/v1/..',
      'https://api.test/v1/.',
    ],
    ...[
      'https://api.test/v1/%2fv2',
      'https://api.test/v1/%5c..%5cv2',
      'https://api.test/v1/%252e',
      'https://api.test/v1/%00',
      'https://api.test/v1/%',
      'https://api.test/v1/%zz',
      'https://api.test/v1/"',
    ],
    `https://example.com/${'a'.repeat(2_048)}`,
  ])('%j could be read in more than one way', (text) => {
    expect(() => analyseUrl(text, any)).toThrow(expect.objectContaining({ code: 'ERR_STATEMENT_UNPARSEABLE' }) as Error);
  });

  it.each([
    '*',
    'https://*',
    'https://*.',
    'https://*.com*',
    'https://ex*mple.com',
    'https://example.com/*/x',
    '*://example.com',
    'https://user@example.com',
    '',
  ])('the pattern %j allows nothing', (pattern) => {
    expect(() => analyseUrl('https://example.com/x', [pattern])).toThrow(expect.objectContaining({ code: 'ERR_ACCESS_DENIED' }) as Error);
  });

  it('whatever passes, the WHATWG parser reads alike', () => {
    const piece = fc.constantFrom(
      'https://',
      'http:',
      '//',
      'example.com',
      'evil.test',
      '@',
      ':',
      '443',
      '/',
      '\\',
      '..',
      '%2e',
      '%2f',
      '?',
      '#',
      '[',
      ']',
      '.',
      '\t',
      'é',
      '0x7f',
      '1',
      ' ',
      'v1',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const text = pieces.join('');
        let where: string | null = null;
        try {
          where = analyseUrl(text, any);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_/) as string });
        }
        if (where === null) return;
        const url = new URL(text);
        expect([`${url.protocol}//${url.hostname}`, url.username]).toEqual([where.slice(0, where.lastIndexOf(':')), '']);
        expect(url.hostname === 'example.com' || url.hostname.endsWith('.example.com')).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });
});
