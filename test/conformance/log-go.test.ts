import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeEvent, parseChunk } from '../../proxy/audit/entry.ts';
import { event } from '../../proxy/audit/event.ts';
import { appendFrame } from '../../proxy/audit/frames.ts';
import { logSigner } from '../../proxy/audit/hashing.ts';
import { AuditLog } from '../../proxy/audit/log.ts';

const goPath = '/usr/share/gocode';
const program = fileURLToPath(new URL('../vectors/go/main.go', import.meta.url));
const vectors = fileURLToPath(new URL('../vectors/vectors.json', import.meta.url));

function missing(): string | null {
  if (spawnSync('go', ['version']).status !== 0) return 'the go command is missing (Debian: golang-go)';
  if (!existsSync(join(goPath, 'src/golang.org/x/mod/sumdb/tlog'))) return 'golang.org/x/mod is missing (Debian: golang-golang-x-mod-dev)';
  return null;
}

const reason = missing();
if (reason !== null) process.stderr.write(`SKIPPED: the log was not cross-checked with Go's sumdb/tlog and sumdb/note: ${reason}\n`);

describe.skipIf(reason !== null)(`Go's sumdb${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'postern-go-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  function go(...words: string[]): { status: number | null; stdout: string; stderr: string } {
    const env = {
      PATH: '/usr/local/go/bin:/usr/bin:/bin',
      HOME: directory,
      GOCACHE: join(directory, 'cache'),
      GO111MODULE: 'off',
      GOPATH: goPath,
      GOFLAGS: '',
    };
    return spawnSync('go', ['run', program, ...words], { env, encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
  }

  it('gives the vectors that are committed', async () => {
    const { status, stdout, stderr } = go('vectors');
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(await readFile(vectors, 'utf8'));
  });

  it('verifies a log that we wrote, and refuses it when it is touched', async () => {
    const signer = logSigner(Buffer.alloc(32, 6), 'postern.local/conformance');
    const path = join(directory, 'log');
    const log = await AuditLog.open({ directory: path, signer, bodyKey: Buffer.alloc(32, 9), limits: { reserveBytes: 16 } });
    const events = Array.from({ length: 900 }, (_, at) => {
      const { header } = event({
        code: 'operation.refused',
        at: '2026-01-02T03:04:05.678Z',
        actor: { issuer: 'p', subject: 's', name: 'n', kind: 'service', credential: 'none' },
        origin: 'o',
        outcome: 'failure',
        affected: `resource-${String(at)}`,
      });
      return encodeEvent(at + 1, header, { kind: 'plain' });
    });
    for (let from = 0; from < events.length; from += 170) {
      const frame = appendFrame(events.slice(from, from + 170));
      const chunk = parseChunk('gateway-a', frame.subarray(5), Buffer.alloc(0));
      expect(chunk !== null && log.submit(chunk)).toBe(true);
      await log.sync();
    }
    await log.stop();
    const verified = go('verify', path, signer.verifierKey);
    expect(verified.status, verified.stderr).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, size: 902, tiles: 5 });
    const bundle = join(path, 'tile/entries/002');
    const bytes = await readFile(bundle);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(bundle, bytes);
    expect(go('verify', path, signer.verifierKey).status).not.toBe(0);
    expect(go('verify', path, logSigner(Buffer.alloc(32, 7), 'postern.local/conformance').verifierKey).status).not.toBe(0);
  });
});
