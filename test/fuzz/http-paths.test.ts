import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { targetPath, type TargetPath } from '../../proxy/engines/http/target-path.ts';
import { debianTool } from '../support/debian-packages.ts';
import { skipBecause } from '../support/skip.ts';
import { until } from '../support/until.ts';
import { send } from '../support/web-gateway.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function configuration(dir: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
  // $uri is what nginx decides by: decoded, dots resolved, slashes merged
  return `pid ${dir}/pid; error_log ${dir}/error.log; daemon off; master_process off; events {}
    http { access_log off; ${temporary} server { listen 127.0.0.1:${String(port)}; default_type text/plain; location / { return 200 "$uri"; } } }`;
}

it('nginx decides by the same path as we do', async (context) => {
  const nginx = await debianTool('nginx');
  if (nginx.found === undefined) skipBecause(context, nginx.why);
  const dir = await mkdtemp(join(tmpdir(), 'nginx-paths-'));
  const port = await freePort();
  await writeFile(join(dir, 'nginx.conf'), configuration(dir, port));
  const child = spawn(nginx.found, ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')], { stdio: 'ignore' });
  try {
    await until('nginx answers', () =>
      send(port, '/')
        .then(() => true)
        .catch(() => false),
    );
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '%25',
      '2f',
      ';',
      'a',
      'B',
      '%41',
      '%c3%a9',
      '%20',
      '+',
      '%2B',
      ':',
      '@',
      '~',
      '%7e',
      '%00',
      '//',
    );
    const paths = fc.array(piece, { minLength: 1, maxLength: 10 }).map((pieces) => `/${pieces.join('')}`);
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(paths, async (sent) => {
        const ours = decide(sent);
        if (ours === null) return;
        accepted++;
        const decided = `/${ours.segments.join('/')}${ours.path.endsWith('/') && ours.segments.length > 0 ? '/' : ''}`;
        expect((await send(port, ours.path)).body).toBe(decided);
        // and what the caller wrote means the same to it
        expect((await send(port, sent)).body).toBe(decided);
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
    await rm(dir, { recursive: true, force: true });
  }
});

function decide(sent: string): TargetPath | null {
  try {
    return targetPath(sent);
  } catch {
    return null;
  }
}
