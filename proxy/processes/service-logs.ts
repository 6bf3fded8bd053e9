import { open } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ServiceLogs } from '../control/ports.ts';
import { hasCode } from '../audit/log-files.ts';

const maxBytes = 1_048_576;
const maxLineChars = 9_000;

/** What the processes wrote for operators, read from the end. */
export function serviceLogs({ dir, logs }: { readonly dir: string; readonly logs: string }): ServiceLogs {
  return {
    async read(part, lines) {
      const path = join(logs, `${part}.log`);
      return { file: relative(dir, path), lines: await lastLines(path, lines) };
    },
  };
}

async function lastLines(path: string, count: number): Promise<string[]> {
  const file = await open(path).catch((error: unknown) => {
    // a process that had nothing to say has no file
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (file === null) return [];
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, size - bytes.length);
    const lines = bytes.toString('utf8', 0, bytesRead).split('\n');
    // what is cut at the beginning is no whole line
    if (bytes.length < size) lines.shift();
    if (lines.at(-1) === '') lines.pop();
    return lines.slice(-count).map((line) => line.slice(0, maxLineChars));
  } finally {
    await file.close();
  }
}
