import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { AuditReader } from '../audit/reader.ts';
import type { Output } from '../contract/api.ts';
import { selfScan, type Decryptor } from '../control/self-scan.ts';
import { scanForPans } from '../masking/masking.ts';
import { readRecording, type UnwrapKey } from '../recording/reader.ts';
import { entriesOf } from './control-audit.ts';

export interface ScanOptions {
  readonly dir: string;
  readonly reader: AuditReader;
  readonly unwrap: UnwrapKey;
  /** target passwords */
  readonly secrets: readonly string[];
  readonly needles: readonly string[];
  /** files and directories directly in `dir` that are no store of ours */
  readonly exclude: readonly string[];
}

const minNeedleBytes = 4;
const overlapBytes = 256;

/** Everything stored, also in the clear: the given texts, the target passwords, and whatever the detector takes for a card number. */
export async function scanStores(options: ScanOptions, signal: AbortSignal): Promise<Output<'selfScan'>> {
  const { dir } = options;
  const decryptors = [recordings(options.unwrap), auditLog(options.reader)];
  const exclude = await excludedFiles(dir, options.exclude);
  const needles = [...options.secrets, ...options.needles].map((text) => Buffer.from(text)).filter((bytes) => bytes.length >= minNeedleBytes);
  const report = await selfScan({ dir, needles, decryptors, exclude, signal });
  const counts = new Map<string, { file: string; kind: string; count: number }>();
  const add = (file: string, kind: string, count: number): void => {
    const before = counts.get(`${file} ${kind}`)?.count ?? 0;
    counts.set(`${file} ${kind}`, { file, kind, count: before + count });
  };
  for (const { file, needleIndex } of report.findings) add(file, needleIndex < options.secrets.length ? 'target password' : 'given text', 1);
  for (const { name, open } of await streamsOf(dir, exclude, decryptors)) {
    const found = await countPans(open(), signal).catch(() => 0); // an unreadable file is in the report already
    if (found > 0) add(name, 'card number', found);
  }
  const findings = [...counts.values()].slice(0, 1_000);
  return {
    clean: findings.length === 0 && report.unreadable.length === 0,
    files: report.files,
    bytes: report.bytes,
    unreadable: [...report.unreadable],
    findings,
  };
}

function recordings(unwrap: UnwrapKey): Decryptor {
  return {
    handles: (file) => file.endsWith('.rec'),
    async *open(path) {
      const reader = await readRecording(path, unwrap);
      for await (const { bytes } of reader.entries()) yield bytes;
    },
  };
}

/** The whole log through its own reader; it stands for the encrypted bodies. */
function auditLog(reader: AuditReader): Decryptor {
  return {
    handles: (file) => file === join('audit', 'checkpoint'),
    async *open() {
      const { size } = await reader.status();
      for await (const { header, body } of entriesOf(reader, { from: 0, to: size, bodies: true })) yield Buffer.from(`${header}\n${body ?? ''}\n`);
    },
  };
}

async function excludedFiles(dir: string, names: readonly string[]): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((file) => names.some((name) => file === name || file.startsWith(`${name}/`)));
}

async function streamsOf(
  dir: string,
  exclude: readonly string[],
  decryptors: readonly Decryptor[],
): Promise<{ name: string; open: () => AsyncIterable<Uint8Array> }[]> {
  const excluded = new Set(exclude);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => relative(dir, join(entry.parentPath, entry.name)));
  return files
    .filter((file) => !excluded.has(file) && !excluded.has(basename(file)))
    .flatMap((file) => {
      const path = join(dir, file);
      const clear = decryptors
        .filter((decryptor) => decryptor.handles(file))
        .map((decryptor) => ({ name: `${file}#decrypted`, open: () => decryptor.open(path) }));
      return [{ name: file, open: () => createReadStream(path, { highWaterMark: 1_048_576 }) }, ...clear];
    });
}

async function countPans(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<number> {
  let count = 0;
  let carried: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    signal.throwIfAborted();
    const block = Buffer.concat([carried, chunk]);
    const kept = Math.max(0, block.length - overlapBytes);
    // what begins in the kept part is counted with the next block
    count += scanForPans(block).filter(({ start }) => start < kept).length;
    carried = block.subarray(kept);
  }
  return count + scanForPans(carried).length;
}
