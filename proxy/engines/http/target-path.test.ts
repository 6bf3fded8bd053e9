import fc from 'fast-check';
import { parse } from 'node:url';
import { describe, expect, it } from 'vitest';
import { encodedFields, fieldsOf, targetPath } from './target-path.ts';

const refused = [
  'orders',
  '//',
  '//orders',
  '/orders//17',
  '/./orders',
  '/../admin',
  '/orders/..',
  '/orders/%2e%2e/admin',
  '/orders/%2E./admin',
  '/orders%2f17',
  '/orders%2F17',
  '/orders%5c17',
  '/orders\\17',
  '/orders%00',
  '/orders%0a',
  '/orders%7f',
  '/orders%c2%85',
  '/orders/..;/admin',
  '/admin;x=1/users',
  '/admin%3bx/users',
  '/%252e%252e/admin',
  '/a%252fb',
  '/a%255cb',
  '/a%2500b',
  '/a%25252fb',
  '/%u002e%u002e/admin',
  '/%c0%ae%c0%ae/admin',
  '/%c0%af',
  '/%ff',
  '/%ed%a0%80',
  '/a#b',
  '/a b',
  '/a%20',
  '/%20a',
  '/admin.',
  '/a%zz',
  '/a%',
  '/a%2',
  '/caf\u00e9',
  '/%ef%bc%8e%ef%bc%8e/admin',
  '/a%ef%bc%8fb',
  '/a%e2%84%80b/%ef%bc%9b',
  `/${'a'.repeat(5_000)}`,
  '/a'.repeat(200),
];

describe('paths that two parsers could read differently', () => {
  it.each(refused)('%j is refused', (sent) => {
    expect(() => targetPath(sent)).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }) as Error);
  });
});

describe('a path', () => {
  it.each([
    ['', [], ''],
    ['/', [], '/'],
    ['/orders', ['orders'], '/orders'],
    ['/orders/', ['orders'], '/orders/'],
    ['/Orders/17', ['Orders', '17'], '/Orders/17'],
    ['/caf%c3%a9/%41', ['caf\u00e9', 'A'], '/caf%C3%A9/A'],
    ['/a%20b+c', ['a b+c'], '/a%20b%2Bc'],
    ['/v1.2/a:b@c,d=e$f&g', ['v1.2', 'a:b@c,d=e$f&g'], '/v1.2/a:b@c,d=e$f&g'],
    ['/100%25', ['100%'], '/100%25'],
    ['/.well-known/...x', ['.well-known', '...x'], '/.well-known/...x'],
  ])('%j is decided and forwarded in one form', (sent, segments, path) => {
    expect(targetPath(sent)).toEqual({ segments, path });
  });

  const hostile = fc.string({
    unit: fc.constantFrom('/', '.', '%', '2', 'e', 'E', 'f', '5', 'c', ';', '\\', 'a', '0', '+', ':', '?', '#', '\u00e9', ' '),
    maxLength: 24,
  });

  it('means the same to other parsers, and to itself, once it is accepted', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        let accepted;
        try {
          accepted = targetPath(`/${text}`);
        } catch {
          return;
        }
        const { segments, path } = accepted;
        expect(targetPath(path)).toEqual(accepted);
        const { pathname, search, hash } = new URL(`http://h${path}`);
        expect([pathname, search, hash]).toEqual([path, '', '']);
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- old parsers are what targets have
        expect(parse(`http://h${path}`).pathname).toBe(path);
        const decoded = pathname.split('/').slice(1).map(decodeURIComponent);
        if (path.endsWith('/')) decoded.pop();
        expect(decoded).toEqual(segments);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('a query', () => {
  it('is decoded once and forwarded in one form', () => {
    const fields = fieldsOf('a=1+2&b=%2B&c&d=&&e=x;f=1&caf%C3%A9=%26');
    expect(fields).toEqual([
      { name: 'a', value: '1 2' },
      { name: 'b', value: '+' },
      { name: 'c', value: null },
      { name: 'd', value: '' },
      { name: 'e', value: 'x;f=1' },
      { name: 'caf\u00e9', value: '&' },
    ]);
    expect(encodedFields(fields)).toBe('a=1%202&b=%2B&c&d=&e=x%3Bf%3D1&caf%C3%A9=%26');
  });

  it.each(['a=%ff', 'a%00=1', 'a=%00', 'a%0a=1', 'a=\u00e9', 'a=#', 'a=%', 'a=%zz'])('%j is refused', (sent) => {
    expect(() => fieldsOf(sent)).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL_VIOLATION' }) as Error);
  });

  it('means the same to URLSearchParams and to itself', () => {
    const hostile = fc.string({ unit: fc.constantFrom('a', 'b', '&', '=', '+', '%', '2', '6', 'B', 'c', '3', 'D', ';', '[', ']', '/', '?'), maxLength: 24 });
    fc.assert(
      fc.property(hostile, (text) => {
        let fields;
        try {
          fields = fieldsOf(text);
        } catch {
          return;
        }
        const forwarded = encodedFields(fields);
        expect(fieldsOf(forwarded)).toEqual(fields.filter(({ name, value }) => name !== '' || value !== null));
        expect([...new URL(`http://h/?${forwarded}`).searchParams]).toEqual(fields.map(({ name, value }) => [name, value ?? '']));
      }),
      { numRuns: 20_000 },
    );
  });
});
