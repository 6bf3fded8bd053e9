import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTextStream } from './stream.ts';
import type { TextStreamOptions } from './stream.ts';

const pan = '4111111111111111';
const shown = '411111******1111';
const lines: TextStreamOptions = { boundary: 'lines', media: 'pass', conceal: [] };

function run(text: string | Buffer, cuts: readonly number[], options: TextStreamOptions = lines): Buffer {
  const bytes = Buffer.from(text as string);
  const stream = createTextStream(options, () => undefined);
  const out: Uint8Array[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length].map((each) => Math.min(each, bytes.length)).toSorted((one, two) => one - two)) {
    // what is released must not change when the chunk is reused
    const chunk = Buffer.from(bytes.subarray(from, cut));
    out.push(Buffer.from(stream.push(chunk)));
    chunk.fill(0);
    from = cut;
  }
  out.push(stream.end());
  return Buffer.concat(out);
}

function each(text: string, options: TextStreamOptions = lines): string {
  return run(
    text,
    Array.from({ length: Buffer.byteLength(text) }, (_, at) => at),
    options,
  ).toString();
}

describe('createTextStream', () => {
  it('hides what is cut over chunks', () => {
    expect(each(`pay ${pan} now\ncvv: 123\n`)).toBe(`pay ${shown} now\ncvv: ***\n`);
    expect(each(`{"name": "cvv",\n "value": "123"}\n`)).toBe(`{"name": "cvv",\n "value": "***"}\n`);
    expect(each(`key sk-1234567890 end`, { ...lines, conceal: ['sk-1234567890'] })).toBe('key ************* end');
    expect(each(Buffer.from(`card ${pan}`).toString('base64'))).toBe(Buffer.from(`card ${shown}`).toString('base64'));
  });

  it('remembers the columns of a table', () => {
    const rows = Array.from({ length: 2_000 }, (_, index) => `${String(index)},name ${String(index)},${String(100 + (index % 900))}\n`);
    const masked = run(`id,name,cvv\n${rows.join('')}`, [5, 100, 9_000]).toString();
    expect(masked).toBe(`id,name,cvv\n${rows.map((row) => row.replace(/\d{3}\n$/, '***\n')).join('')}`);
  });

  it('releases whole events and lines at once', () => {
    const stream = createTextStream({ ...lines, boundary: 'sse' }, () => undefined);
    expect(Buffer.from(stream.push(Buffer.from(`: hi\n\ndata: {"pan":"${pan}"}\n\ndata: x`))).toString()).toBe(`: hi\n\ndata: {"pan":"${shown}"}\n\n`);
    expect(Buffer.from(stream.push(Buffer.from('\r\n\r\n'))).toString()).toBe('data: x\r\n\r\n');
    expect(stream.end()).toHaveLength(0);
    const text = createTextStream(lines, () => undefined);
    expect(Buffer.from(text.push(Buffer.from('one\ntw'))).toString()).toBe('one\n');
    expect(Buffer.from(text.end()).toString()).toBe('tw');
    expect(() => text.push(Buffer.from('x'))).toThrow('masked');
  });

  it('keeps the lines of an event in whatever it hides', () => {
    for (const event of ['data: "cvv":{"a":"\ndata: 123\n\n', 'data: "cvv":"1\ndata: 23"\n\n', 'data: "cvv": "12\r\ndata: 3\r\n\r\n']) {
      const masked = each(event, { ...lines, boundary: 'sse' });
      expect(masked.split('\n')).toHaveLength(event.split('\n').length);
      expect(masked).not.toMatch(/\d/);
    }
  });

  it('reads the data lines of an event together', () => {
    const event = 'event: message\nid: 1\ndata: {"name": "cvv",\ndata: "value": "123"}\n\n';
    expect(each(event, { ...lines, boundary: 'sse' })).toBe(event.replace('123', '***'));
  });

  it('holds back no more than 4 KiB, and hides what stands across its parts', () => {
    const stream = createTextStream(lines, () => undefined);
    let released = 0;
    for (let pushed = 1_000; pushed <= 100_000; pushed += 1_000) {
      released += stream.push(Buffer.alloc(1_000, 'ab c')).length;
      expect(pushed - released).toBeLessThanOrEqual(4_096);
    }
    for (let before = 3_000; before < 4_200; before += 7) {
      const masked = run(`${'x '.repeat(before / 2)} ${pan} ${'y'.repeat(6_000)}`, [17, 4_000, 5_000]).toString();
      expect(masked.includes(shown), String(before)).toBe(true);
      const token = Buffer.from(`${'ab '.repeat(before / 3)} ${pan} ${'yz '.repeat(2_000)}`).toString('base64');
      expect(Buffer.from(run(token, []).toString(), 'base64').includes(shown), String(before)).toBe(true);
    }
  });

  it('leaves what holds nothing, in any encoding', () => {
    const bytes = Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * 31 + (at >> 3)) & 0xff));
    expect(run(bytes, [1, 7, 4_095, 4_096, 4_097]).equals(bytes)).toBe(true);
    expect(run(Buffer.from(`Stra\xdfe ${pan}\n`, 'latin1'), [3]).toString('latin1')).toBe(`Stra\xdfe ${shown}\n`);
    const text = 'Zażółć gęślą jaźń 👩‍👩‍👧 '.repeat(500);
    expect(run(text, [1, 2, 3, 4, 5, 4_097]).toString()).toBe(text);
  });

  it('gives the same bytes however the text is cut', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        pan,
        'cvv: 123',
        '\n',
        '\r\n',
        '\n\n',
        'data: ',
        'id,pan,cvv\n',
        '1,2,345\n',
        '"cvv":',
        '[1,',
        '{"a":"',
        '"}',
        'secret-value-77',
        '4111 1111 ',
        '👩é',
      ),
      fc.constantFrom('x'.repeat(3_000), 'word '.repeat(900), Buffer.from(`a ${pan} `.repeat(200)).toString('base64'), '4'.repeat(2_000), '１'.repeat(900)),
      fc.string({ maxLength: 12 }),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }),
        fc.array(fc.nat(12_000), { maxLength: 12 }),
        fc.constantFrom('sse', 'lines', 'none'),
        (pieces, cuts, boundary) => {
          const options = { boundary, media: 'pass', conceal: ['secret-value-77'] } as const;
          const text = pieces.join('');
          expect(run(text, cuts, options).equals(run(text, [], options))).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
