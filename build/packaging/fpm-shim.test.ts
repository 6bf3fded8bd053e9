import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseArguments } from './fpm-shim.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

it('takes the builder’s arguments and no other', () => {
  const { options, files } = parseArguments([
    '-s',
    'dir',
    '--force',
    '-t',
    'deb',
    '-d',
    'libgtk-3-0',
    '-d',
    'libnss3',
    '--description',
    'a\n b',
    '/out/a/=/opt/P',
    '/x=y.png=/usr/share/x.png',
  ]);
  expect(options.get('-d')).toEqual(['libgtk-3-0', 'libnss3']);
  expect(files).toEqual([
    { from: '/out/a/', to: '/opt/P' },
    { from: '/x=y.png', to: '/usr/share/x.png' },
  ]);
  expect(() => parseArguments(['--rpm-sign'])).toThrow('unknown argument --rpm-sign');
});

it.runIf(process.platform === 'linux' && has('dpkg-deb'))('makes a package that dpkg reads', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-fpm-'));
  try {
    mkdirSync(join(dir, 'app'));
    writeFileSync(join(dir, 'app', 'postern'), 'x', { mode: 0o700 });
    writeFileSync(join(dir, 'post.sh'), '#!/bin/sh\n');
    const artifact = join(dir, 'p.deb');
    const args = ['-s', 'dir', '-t', 'deb', '--name', 'postern', '--version', '0.1.0', '--architecture', 'amd64', '--maintainer', 'a <a@b.invalid>'];
    const more = [
      '--description',
      'Short\n Long text.\n\n More.',
      '--package',
      artifact,
      '--after-install',
      join(dir, 'post.sh'),
      '-d',
      'libnss3',
      `${dir}/app/=/opt/Postern`,
    ];
    const made = spawnSync(process.execPath, [join(import.meta.dirname, 'fpm-shim.ts'), ...args, ...more], { encoding: 'utf8' });
    expect(made.stderr).not.toContain('error');
    expect(made.status).toBe(0);
    const read = spawnSync('dpkg-deb', ['--info', artifact], { encoding: 'utf8' }).stdout;
    expect(read).toContain('Package: postern');
    expect(read).toContain('Depends: libnss3');
    const contents = spawnSync('dpkg-deb', ['--contents', artifact], { encoding: 'utf8' }).stdout;
    expect(contents).toMatch(/-rwxr-xr-x root\/root +1 .* \.\/opt\/Postern\/postern/);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

it.runIf(process.platform === 'linux' && has('rpmbuild'))('makes a package that rpm reads', () => {
  const dir = mkdtempSync(join(tmpdir(), 'postern-fpm-'));
  try {
    mkdirSync(join(dir, 'app'));
    writeFileSync(join(dir, 'app', 'postern'), 'x', { mode: 0o700 });
    writeFileSync(join(dir, 'post.sh'), '#!/bin/sh\necho 100%\n');
    writeFileSync(join(dir, 'icon.png'), '');
    const artifact = join(dir, 'p.rpm');
    const args = [
      '-s',
      'dir',
      '-t',
      'rpm',
      '--name',
      'postern',
      '--version',
      '0.1.0',
      '--architecture',
      'x86_64',
      '--maintainer',
      'a <a@b.invalid>',
      '--rpm-os',
      'linux',
    ];
    const more = ['--description', 'Short', '--license', 'MIT', '--package', artifact, '--after-install', join(dir, 'post.sh'), '-d', '(libuuid or libuuid1)'];
    const files = [`${dir}/app/=/opt/Postern`, `${dir}/icon.png=/usr/share/icons/postern.png`];
    const made = spawnSync(process.execPath, [join(import.meta.dirname, 'fpm-shim.ts'), ...args, ...more, ...files], { encoding: 'utf8' });
    expect(made.stderr).not.toContain('error');
    expect(made.status).toBe(0);
    const query = (...asked: string[]): string => spawnSync('rpm', ['-qp', ...asked, artifact], { encoding: 'utf8' }).stdout;
    expect(query('--qf', '%{NAME} %{VERSION} %{ARCH} %{LICENSE}')).toBe('postern 0.1.0 x86_64 MIT');
    expect(query('--requires')).toContain('(libuuid or libuuid1)');
    expect(query('--scripts')).toContain('echo 100%');
    expect(query('-lv')).toMatch(/-rwxr-xr-x +1 root +root .* \/opt\/Postern\/postern/);
    expect(query('-l').trim().split('\n')).toEqual(['/opt/Postern', '/opt/Postern/postern', '/usr/share/icons/postern.png']);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
