import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(import.meta.dirname));
const flag = '--disallow-code-generation-from-strings';

/** Source files of the product, tests left out. */
function productFiles(): string[] {
  return ['proxy', 'main', 'renderer'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /[.]tsx?$/.test(name) && !/[.]test[.]ts$/.test(name))
      .map((name) => join(folder, name)),
  );
}

function withFlag(code: string): { status: number | null; stderr: string } {
  const ran = spawnSync(process.execPath, [flag, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status: ran.status, stderr: ran.stderr };
}

describe('no code from strings', () => {
  it('is written nowhere in the product', () => {
    const pattern = /\beval\s*\(|\bnew\s+Function\b|\bFunction\s*\(|node:vm|set(?:Timeout|Interval)\(\s*['"`]/;
    expect(productFiles().filter((path) => pattern.test(readFileSync(join(root, path), 'utf8')))).toEqual([]);
  });

  it('can be turned off for good: the flag refuses eval and new Function', () => {
    expect(withFlag(`eval('1')`).stderr).toContain('EvalError');
    expect(withFlag(`new Function('return 1')`).stderr).toContain('EvalError');
  });

  it('is needed by no dependency of the product at load time', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
    // @peculiar/x509 demands it first; Cedar's package has one entry for each platform
    const names = [
      'reflect-metadata',
      ...Object.keys(dependencies).filter((name) => name !== 'reflect-metadata' && name !== '@cedar-policy/cedar-wasm'),
      '@cedar-policy/cedar-wasm/nodejs',
    ];
    const ran = withFlag(names.map((name) => `await import(${JSON.stringify(name)});`).join('\n'));
    expect(ran).toEqual({ status: 0, stderr: '' });
  });
});
