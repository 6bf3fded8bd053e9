import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineReader, LineTail, oneLine } from '../../proxy/engines/mcp/stdio-lines.ts';

const runs = 20_000;
const maxBytes = 64;

/** Bytes in which line ends are frequent, cut anywhere. */
const bytes = fc.array(fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 0, max: 255 }) }, { weight: 1, arbitrary: fc.constantFrom(0x0a, 0x0d) }), {
  maxLength: 400,
});
const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 40 });

function* chunksOf(all: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield all.subarray(at, at + size);
    at += size;
  }
  yield all.subarray(at);
}

/** Line for line, the slow and plain way; `null`: one of them is too long. */
function expected(all: Uint8Array): string[] | null {
  const lines = Buffer.from(all).toString('latin1').split('\n');
  const tooLong = lines.findIndex((line) => line.length > maxBytes);
  if (tooLong !== -1) return null;
  return lines
    .slice(0, -1)
    .map((line) => line.replace(/\r$/, ''))
    .filter((line) => line !== '');
}

function read(all: Uint8Array, sizes: readonly number[]): string[] | null {
  const reader = new LineReader(maxBytes);
  const lines: string[] = [];
  try {
    for (const chunk of chunksOf(all, sizes)) for (const line of reader.push(chunk)) lines.push(Buffer.from(line).toString('latin1'));
  } catch {
    return null;
  }
  return lines;
}

describe('the lines of a hostile server', () => {
  it('are the same however they are cut, and never longer than the cap', () => {
    fc.assert(
      fc.property(bytes, cuts, (values, sizes) => {
        const all = Uint8Array.from(values);
        expect(read(all, sizes)).toEqual(expected(all));
      }),
      { numRuns: runs },
    );
  });

  it('keep a message one message, and its meaning', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2, '\t', '\r\n'), (value, indent) => {
        const written = Buffer.from(oneLine(Buffer.from(JSON.stringify(value, null, indent)))).toString('utf8');
        expect(written).not.toMatch(/[\r\n]/);
        expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(bytes, (values) => {
        const once = oneLine(Uint8Array.from(values));
        expect(once.length).toBe(values.length);
        expect(once.includes(0x0a)).toBe(false);
      }),
      { numRuns: runs },
    );
  });

  it('show no value that is masked, wherever a line was cut, and stay few and short', () => {
    const secret = 'hunter2-hunter2';
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_200 }), fc.integer({ min: 0, max: 5 }), cuts, (before, breaks, sizes) => {
        const tail = new LineTail(3, (line) => line.replaceAll(secret, '[secret]'));
        const text = `${'a\n'.repeat(breaks)}${'x'.repeat(before)}${secret}`;
        for (const chunk of chunksOf(Buffer.from(text), sizes)) tail.push(chunk);
        const lines = tail.lines();
        expect(lines.length).toBe(Math.min(3, breaks + 1));
        expect(lines.join('\n')).not.toContain('hunter2');
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(1_024);
      }),
      { numRuns: runs / 10 },
    );
  });
});
