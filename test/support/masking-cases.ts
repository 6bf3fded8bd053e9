import type { Walker } from '../../proxy/pipeline/engine.ts';

/** Published test numbers. */
export const testPans: Readonly<Record<string, readonly string[]>> = {
  'Visa 13': ['4222222222222'],
  'Visa 16': ['4111111111111111', '4012888888881881', '4242424242424242', '4000056655665556'],
  'Visa 19': ['4000000000000000006', '4917610000000000003'],
  'Mastercard 5': ['5555555555554444', '5105105105105100', '5200828282828210'],
  'Mastercard 2': ['2223003122003222', '2221000000000009', '2720990000000007'],
  'American Express': ['378282246310005', '371449635398431', '371144371144376'],
  Discover: ['6011111111111117', '6011000990139424', '6500000000000002'],
  Diners: ['30569309025904', '38520000023237', '36227206271667'],
  JCB: ['3530111333300000', '3566002020360505'],
  UnionPay: ['6200000000000005', '6205500000000000004', '6212345678900000003'],
};

export const allPans: readonly string[] = Object.values(testPans).flat();

/** 4 bytes of length before each value, 255 columns at most; -1 is null. Rows: one byte with the number of columns. */
export function rowsOf(rows: readonly (readonly (string | Uint8Array | null)[])[]): Buffer {
  const parts: Buffer[] = [];
  for (const row of rows) {
    parts.push(Buffer.from([row.length]));
    for (const value of row) {
      const length = Buffer.alloc(4);
      const bytes = value === null ? Buffer.alloc(0) : Buffer.from(value as string);
      length.writeInt32BE(value === null ? -1 : bytes.length);
      parts.push(length, bytes);
    }
  }
  return Buffer.concat(parts);
}

export const walkRows: Walker = (chunk, visit) => {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  for (let at = 0; at < chunk.length; ) {
    const columns = chunk[at++] ?? 0;
    for (let column = 0; column < columns; column++) {
      const length = view.getInt32(at);
      at += 4;
      if (length < 0) continue;
      visit(column, at, at + length);
      at += length;
    }
  }
};

export function readRows(chunk: Uint8Array): string[] {
  const values: string[] = [];
  walkRows(chunk, (_column, start, end) => values.push(Buffer.from(chunk.subarray(start, end)).toString()));
  return values;
}

/** `511111******1118` */
export function truncated(pan: string, star = '*'): string {
  return pan.slice(0, 6) + star.repeat(pan.length - 10) + pan.slice(-4);
}

/** The same numbers every run. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function digitsFrom(next: () => number, count: number): string {
  let text = '';
  while (text.length < count) text += String(10_000_000 + Math.floor(next() * 10_000_000)).slice(1);
  return text.slice(0, count);
}

/** `prefix` filled up to `length` digits, the last one the check digit. */
export function panOf(prefix: string, length: number, filling: string): string {
  const body = (prefix + filling).slice(0, length - 1);
  for (let check = 0; check < 10; check++) if (luhn(body + String(check))) return body + String(check);
  return body;
}

/** Written apart from the product's own. */
export function luhn(text: string): boolean {
  const digits = Array.from(text).reverse().map(Number);
  return digits.reduce((sum, digit, index) => sum + (index % 2 === 0 ? digit : Math.floor((digit * 2) / 10) + ((digit * 2) % 10)), 0) % 10 === 0;
}

/** Prefix and length of what the brands issue. */
export const issued: readonly (readonly [string, number])[] = [
  ['4', 16],
  ['4', 19],
  ['51', 16],
  ['55', 16],
  ['2221', 16],
  ['2720', 16],
  ['23', 16],
  ['34', 15],
  ['37', 15],
  ['6011', 16],
  ['65', 16],
  ['644', 16],
  ['300', 14],
  ['305', 14],
  ['36', 14],
  ['38', 14],
  ['3528', 16],
  ['3589', 16],
  ['62', 16],
  ['62', 17],
  ['62', 18],
  ['62', 19],
];

export function randomPan(next: () => number): string {
  const [prefix, length] = issued[Math.floor(next() * issued.length)] ?? ['4', 16];
  return panOf(prefix, length, digitsFrom(next, 19));
}
