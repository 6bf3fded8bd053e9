/** MB per second of CPU time over 64 KB chunks. `node test/bench/masking.ts [milliseconds per case]` */
import { createHash } from 'node:crypto';
import type { ShapeColumn } from '../../proxy/contract/shape.ts';
import { mayHoldPan } from '../../proxy/masking/digit-run.ts';
import { mayHoldLabel } from '../../proxy/masking/label-prefilter.ts';
import { createMasking } from '../../proxy/masking/masking.ts';
import { mayNeedScan } from '../../proxy/masking/value.ts';
import type { Walker } from '../../proxy/pipeline/engine.ts';

const duration = Number(process.argv[2] ?? 400);
const chunkBytes = 65_536;
const names = ['Oliver Evans', 'Victoria Smith', 'Mary Kelly', 'Steven Vance', 'Ana Novak', 'John Carver', 'Sylvia Curtis', 'Henry Ford'];
const sentences = [
  'The customer called twice about a late delivery and asked for a refund. ',
  'Every voucher was received by the branch and given to Victoria on Monday. ',
  'We have moved the invoice to the next quarter, see the note of the manager. ',
];

const md5 = (index: number): string => createHash('md5').update(String(index)).digest('hex');
const uuid = (index: number): string => md5(index).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-a$4-$5');
const epoch = (index: number): number => 1_700_000_000_000 + index * 7919;
const pan = (index: number): string => ['4111111111111111', '5555555555554444', '378282246310005'][index % 3] ?? '';

const rows: Readonly<Record<string, (index: number) => string[]>> = {
  'wide (names and md5)': (index) => [
    names[index % 8] ?? '',
    md5(index),
    md5(index + 1),
    names[(index * 5) % 8] ?? '',
    md5(index + 2),
    md5(index + 3),
    'open',
    md5(index + 4),
  ],
  prose: (index) => Array.from({ length: 8 }, (_, column) => (sentences[(index + column) % 3] ?? '').repeat(2)),
  'time stamps, uuid, bigint': (index) => [
    new Date(epoch(index)).toISOString().replace('T', ' '),
    uuid(index),
    String(epoch(index)),
    '7',
    uuid(index + 1),
    String(index * 104_729),
    new Date(epoch(index * 3)).toISOString(),
    'true',
  ],
  'all digits': (index) => Array.from({ length: 8 }, (_, column) => `1${String(epoch(index * 8 + column))}000`),
  'wide, one card number of eight': (index) => [
    names[index % 8] ?? '',
    pan(index),
    md5(index),
    md5(index + 1),
    md5(index + 2),
    names[(index * 3) % 8] ?? '',
    md5(index + 3),
    md5(index + 4),
  ],
};

function chunkOf(row: (index: number) => string[]): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (let index = 0; length < chunkBytes; index++) {
    const values = row(index).map((value) => Buffer.from(value));
    const frame = Buffer.alloc(7);
    frame[0] = 0x44;
    frame.writeInt32BE(6 + values.reduce((sum, value) => sum + 4 + value.length, 0), 1);
    frame.writeInt16BE(values.length, 5);
    parts.push(frame, ...values.flatMap((value) => [Buffer.from([0, 0, 0, value.length]), value]));
    length += (parts.at(-1)?.length ?? 0) + values.reduce((sum, value) => sum + 4 + value.length, 7);
  }
  return Buffer.concat(parts);
}

/** PostgreSQL's DataRow frames */
const walk: Walker = (chunk, visit) => {
  let at = 0;
  while (at < chunk.length) {
    const columns = ((chunk[at + 5] ?? 0) << 8) | (chunk[at + 6] ?? 0);
    at += 7;
    for (let column = 0; column < columns; column++) {
      const length = int32(chunk, at);
      at += 4;
      if (length < 0) continue;
      visit(column, at, at + length);
      at += length;
    }
  }
};

function int32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** By the CPU time of this process: other work on the machine does not count. */
function speed(bytes: number, work: () => void): string {
  for (let round = 0; round < 50; round++) work();
  let rounds = 0;
  const start = process.cpuUsage();
  let used = 0;
  while (used < duration * 1000) {
    for (let round = 0; round < 20; round++) work();
    rounds += 20;
    const { user, system } = process.cpuUsage(start);
    used = user + system;
  }
  return ((bytes * rounds) / used).toFixed(0).padStart(8);
}

function columnsOf(count: number, tagged: number): ShapeColumn[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `c${index}`,
    origin: index === tagged ? { schema: 'public', table: 'cards', column: 'pan' } : null,
    reads: [],
    type: 'text',
    encoding: 'text',
  }));
}

const masking = createMasking();
masking.update([{ resource: 'bench', schema: 'public', table: 'cards', column: 'pan', tag: 'pan' }]);

process.stdout.write(`${'MB/s'.padEnd(34)}     pan   label  prefilter    rows\n`);
for (const [name, row] of Object.entries(rows)) {
  const chunk = chunkOf(row);
  const tagged = name.includes('card number') ? 1 : -1;
  const masker = masking.port.compile('bench', { columns: columnsOf(8, tagged) }, () => false);
  const fresh = Buffer.from(chunk);
  const cells = [
    speed(chunk.length, () => mayHoldPan(chunk, 0, chunk.length)),
    speed(chunk.length, () => mayHoldLabel(chunk, 0, chunk.length)),
    speed(chunk.length, () => mayNeedScan(chunk, 0, chunk.length)),
    speed(chunk.length, () => {
      if (tagged >= 0) chunk.copy(fresh);
      masker.rows(fresh, walk);
    }),
  ];
  process.stdout.write(`${name.padEnd(32)}${cells.join('')}\n`);
}
