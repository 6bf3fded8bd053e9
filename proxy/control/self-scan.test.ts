import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfScan, type Decryptor } from './self-scan.ts';

const needle = Buffer.from('token "of" Zoë 42');
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-scan-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const text = needle.toString();
const forms: [string, (before: Buffer) => Buffer][] = [
  ['raw', (before) => Buffer.concat([before, needle, before])],
  ['json', (before) => Buffer.concat([before, Buffer.from(JSON.stringify({ a: text }))])],
  ['utf-16le', (before) => Buffer.concat([before, Buffer.from(text, 'utf16le')])],
  ['utf-16be', (before) => Buffer.concat([before, Buffer.from(text, 'utf16le').swap16()])],
  ['hex', (before) => Buffer.from(Buffer.concat([before, needle]).toString('hex'))],
  ['hex', (before) => Buffer.from(Buffer.concat([before, needle]).toString('hex').toUpperCase())],
  ['base64', (before) => Buffer.from(Buffer.concat([before, needle, before]).toString('base64'))],
  ['base64', (before) => Buffer.from(Buffer.concat([before, needle, before]).toString('base64url'))],
];

describe('self-scan', () => {
  it.each(forms)('finds a needle written as %s behind anything', async (form, write) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 50 }), async (before) => {
        await writeFile(join(dir, 'file'), write(Buffer.from(before)));
        const { findings } = await selfScan({ dir, needles: [Buffer.from('absent'), needle], decryptors: [] });
        expect(findings).toContainEqual({ file: 'file', form, needleIndex: 1, offset: expect.any(Number) as number });
      }),
      { numRuns: 20 },
    );
  });

  it('finds a needle across the borders of blocks, once, at its place', async () => {
    const content = Buffer.concat([Buffer.alloc(1000, 'x'), needle, Buffer.alloc(1000, 'x')]);
    for (const size of [1, 3, 7, 64]) {
      const inPieces: Decryptor = {
        handles: () => true,
        async *open() {
          for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
        },
      };
      await writeFile(join(dir, 'sealed'), 'ciphertext');
      const { findings, bytes } = await selfScan({ dir, needles: [needle], decryptors: [inPieces] });
      expect(findings).toEqual([{ file: 'sealed#decrypted', offset: 1000, needleIndex: 0, form: 'raw' }]);
      expect(bytes).toBe(content.length + 'ciphertext'.length);
    }
  });

  it('finds nothing where there is nothing, and never shows a needle', async () => {
    await mkdir(join(dir, 'a', 'b'), { recursive: true });
    await writeFile(join(dir, 'a', 'b', 'clean'), Buffer.alloc(3_000_000, 'token of'));
    await writeFile(join(dir, 'a', 'b', 'dirty'), needle);
    const report = await selfScan({ dir, needles: [needle], decryptors: [] });
    expect(report.findings.map((finding) => finding.file)).toEqual([join('a', 'b', 'dirty')]);
    expect(JSON.stringify(report)).not.toContain('Zo');
    expect(report.files).toBe(2);
  });

  it('says what it skipped and what it could not read', async () => {
    await writeFile(join(dir, 'demo.json'), needle);
    await writeFile(join(dir, 'broken.rec'), 'x');
    await symlink('/etc/hostname', join(dir, 'link'));
    const broken: Decryptor = {
      handles: (file) => file.endsWith('.rec'),
      // a store that cannot be opened
      open: () => {
        throw new Error('cannot be decrypted');
      },
    };
    const report = await selfScan({ dir, needles: [needle], decryptors: [broken], exclude: ['demo.json'] });
    expect(report).toMatchObject({ findings: [], unreadable: ['broken.rec'] });
    expect([...report.skipped].sort()).toEqual(['demo.json', 'link']);
  });

  it('refuses needles found everywhere', async () => {
    await expect(selfScan({ dir, needles: [Buffer.from('abc')], decryptors: [] })).rejects.toThrow(RangeError);
  });
});
