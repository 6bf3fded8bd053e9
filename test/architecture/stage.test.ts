import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = dirname(dirname(import.meta.dirname));

describe('the first stage', () => {
  let tree = '';

  beforeEach(() => {
    tree = mkdtempSync(join(tmpdir(), 'postern-stage-'));
    mkdirSync(join(tree, 'build'));
    mkdirSync(join(tree, 'proxy/cli'), { recursive: true });
    for (const file of ['build/bootstrap.js', 'build/stage.js', 'build/postern.js', 'build/node-hashes.json', 'package-lock.json'])
      cpSync(join(root, file), join(tree, file));
    writeFileSync(join(tree, 'package.json'), '{ "type": "module" }');
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  });

  afterEach(() => rmSync(tree, { recursive: true, force: true }));

  const program = (path: string, text: string): void => writeFileSync(join(tree, path), text);
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8', timeout: 30_000 });
    return { status, stdout, stderr };
  };

  it.each(['build/stage.js', 'build/postern.js'])(
    '%s runs the command-line tool under the pinned Node, without code from strings, and passes on arguments and exit code',
    (stage) => {
      program(
        'proxy/cli/index.ts',
        `const text: string = process.version; console.log(text, process.argv.slice(2).join('|')); try { new Function('1'); } catch { process.exitCode = 7; }`,
      );
      const args = stage === 'build/stage.js' ? [stage, 'proxy/cli/index.ts'] : [stage];
      expect(run(...args, 'a b', '--json')).toEqual({ status: 7, stdout: `${process.version} a b|--json\n`, stderr: '' });
    },
  );

  describe('keeps code compiled', () => {
    const compiled = (): string => join(tree, '.cache/compiled');
    /** what Node is told, without what the run of these tests was told */
    const told = (more: Readonly<Record<string, string>> = {}): string => {
      program('proxy/cli/index.ts', `const text: string = process.env['NODE_COMPILE_CACHE'] ?? 'nowhere'; console.log(text);`);
      return spawnSync(process.execPath, ['build/postern.js'], {
        cwd: tree,
        encoding: 'utf8',
        timeout: 30_000,
        env: { ...process.env, NODE_COMPILE_CACHE: undefined, ...more },
      }).stdout.trim();
    };

    it('in a folder of this user alone, in a checkout of theirs', () => {
      expect(told()).toBe(compiled());
      expect(statSync(compiled()).mode & 0o777).toBe(0o700);
      expect(readdirSync(compiled())).not.toEqual([]);
      expect(told()).toBe(compiled());
    });

    it('where the environment says, if it says so', () => {
      const folder = join(tree, 'elsewhere');
      expect(told({ NODE_COMPILE_CACHE: folder })).toBe(folder);
    });

    const spoiled: readonly (readonly [string, () => void])[] = [
      ['others can write beside it', () => chmodSync(join(tree, '.cache'), 0o777)],
      ['others can write there', () => chmodSync(compiled(), 0o770)],
      [
        'it is a link',
        () => {
          rmSync(compiled(), { recursive: true });
          symlinkSync(mkdtempSync(join(tree, 'other-')), compiled());
        },
      ],
      [
        'it is a file',
        () => {
          rmSync(compiled(), { recursive: true });
          writeFileSync(compiled(), '');
        },
      ],
      // only root can give a folder away
      ...(process.getuid?.() === 0
        ? ([
            ['it is of another user', () => chownSync(compiled(), 65_534, 65_534)],
            ['the checkout is of another user', () => chownSync(tree, 65_534, 65_534)],
          ] as const)
        : []),
    ];
    it.each(spoiled)('nowhere when %s', (_, spoil) => {
      mkdirSync(compiled(), { recursive: true, mode: 0o700 });
      spoil();
      expect(told()).toBe('nowhere');
    });
  });

  it('refuses to install with --no-install, and says what to do', () => {
    rmSync(join(tree, 'node_modules'));
    const ran = run('build/stage.js', 'proxy/cli/index.ts', 'demo', '--no-install');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('Run `npm ci --ignore-scripts`');
  });

  it('never installs as `postern`', () => {
    rmSync(join(tree, 'node_modules'));
    expect(run('build/postern.js').stderr).toContain('nothing is installed here');
  });

  it('notices that an installed package is not the locked one', () => {
    const path = join(tree, 'package-lock.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/("node_modules\/zod": \{\s+"version": )"[^"]+"/, '$1"0.0.1"'));
    expect(run('build/postern.js').stderr).toContain('node_modules/zod');
  });

  it('refuses a Node whose bytes are not those of the committed table', () => {
    const path = join(tree, 'build/node-hashes.json');
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/"sha256": "[0-9a-f]{8}/g, '"sha256": "00000000'));
    const ran = run('build/postern.js');
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('its SHA-256 is');
  });

  it('hands SIGTERM on and ends with the exit code of the child', async () => {
    program('proxy/cli/index.ts', `process.on('SIGTERM', () => process.exit(9)); console.log('up'); setInterval(() => {}, 1000);`);
    const child: ChildProcess = spawn(process.execPath, ['build/postern.js'], { cwd: tree, stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout !== null) await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([9, null]);
  });
});
