import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const root = dirname(dirname(import.meta.dirname));
const Report = z.object({ summary: z.object({ violations: z.array(z.object({ from: z.string(), rule: z.object({ name: z.string() }) })) }) });

/** file → imports, and the rule that must refuse it */
const planted = [
  ['proxy/lib/planted.ts', `import '../contract/a.ts';`, 'lib-imports'],
  ['proxy/contract/planted.ts', `import '../policy/a.ts';`, 'contract-imports'],
  ['proxy/contract/reads.ts', `import 'node:fs';`, 'pure'],
  ['proxy/proof/planted.ts', `import '../audit/a.ts';`, 'proof-imports'],
  ['proxy/wire/planted.ts', `import '../pipeline/engine.ts';`, 'wire-imports'],
  ['proxy/policy/planted.ts', `import '../store/a.ts';`, 'policy-imports'],
  ['proxy/policy/reads.ts', `import 'node:fs/promises';`, 'pure'],
  ['proxy/policy/value.ts', `import { value } from '../pipeline/ports.ts'; export const used = value;`, 'policy-types-only'],
  ['proxy/masking/connects.ts', `import 'node:net';`, 'pure'],
  ['proxy/store/planted.ts', `import '../vault/a.ts';`, 'store-imports'],
  ['proxy/identity/planted.ts', `import '../vault/a.ts';`, 'identity-imports'],
  ['proxy/vault/planted.ts', `import '../audit/a.ts';`, 'vault-imports'],
  ['proxy/audit/planted.ts', `import '../recording/a.ts';`, 'audit-imports'],
  ['proxy/recording/planted.ts', `import '../audit/a.ts';`, 'recording-imports'],
  ['proxy/pipeline/planted.ts', `import '../vault/a.ts';`, 'pipeline-imports'],
  ['proxy/engines/postgres/planted.ts', `import '../mysql/a.ts';`, 'engine-islands'],
  ['proxy/engines/postgres/stores.ts', `import '../../store/a.ts';`, 'engine-islands'],
  ['proxy/engines/postgres/mints.ts', `import '../../pipeline/permit.ts';`, 'engine-islands'],
  ['proxy/control/planted.ts', `import '../engines/mysql/a.ts';`, 'control-imports'],
  ['proxy/control/mints.ts', `import '../pipeline/permit.ts';`, 'permits-in-the-pipeline-only'],
  ['proxy/processes/mints.ts', `import '../pipeline/permit.ts';`, 'permits-in-the-pipeline-only'],
  ['proxy/cli/planted.ts', `import '../store/a.ts';`, 'cli-imports'],
  ['proxy/processes/tests.ts', `import '../../test/support/a.ts';`, 'no-test-code-in-the-product'],
  ['proxy/processes/window.ts', `import '../../main/contract/a.ts';`, 'headless-proxy'],
  ['main/planted.ts', `import '../proxy/vault/a.ts';`, 'main-sees-contract-and-proof'],
  ['renderer/planted.ts', `import '../proxy/policy/a.ts';`, 'renderer-sees-contracts'],
  ['renderer/reads.ts', `import 'node:path';`, 'renderer-without-core'],
  ['proxy/store/round.ts', `import './trip.ts';`, 'no-cycles'],
  ['proxy/store/missing.ts', `import './nowhere.ts';`, 'resolvable'],
] as const;

/** What the table allows: none of these may be refused. */
const allowed = [
  ['proxy/contract/good.ts', `import '../lib/a.ts';`],
  ['proxy/policy/good.ts', `import '../contract/a.ts'; import type { Port } from '../pipeline/ports.ts'; export type Used = Port;`],
  ['proxy/engines/postgres/good.ts', `import '../../wire/a.ts'; import '../../lib/a.ts'; import '../../pipeline/engine.ts';`],
  ['proxy/processes/good.ts', `import '../engines/mysql/a.ts'; import '../vault/a.ts'; import '../pipeline/pipeline.ts';`],
  ['proxy/policy/good.test.ts', `import '../../test/support/a.ts'; import 'node:fs';`],
  ['main/good.ts', `import '../proxy/contract/a.ts'; import '../proxy/proof/a.ts'; import 'node:fs';`],
  ['renderer/good.ts', `import '../proxy/contract/a.ts'; import '../main/contract/a.ts';`],
] as const;

const plain = ['lib', 'contract', 'proof', 'wire', 'policy', 'store', 'identity', 'vault', 'audit', 'recording', 'engines/mysql'].map(
  (name) => `proxy/${name}/a.ts`,
);

describe('the import table', () => {
  let tree = '';
  let refused: readonly string[] = [];

  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), `${text}\nexport {};\n`);
  };

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'postern-imports-'));
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'tsconfig.base.json', 'package.json']) cpSync(join(root, file), join(tree, file));
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    for (const path of [...plain, 'proxy/pipeline/permit.ts', 'proxy/pipeline/pipeline.ts', 'main/contract/a.ts', 'test/support/a.ts']) write(path, '');
    write('proxy/pipeline/ports.ts', 'export const value = 1; export type Port = number;');
    write('proxy/pipeline/engine.ts', '');
    write('proxy/store/trip.ts', `import './round.ts';`);
    for (const [path, text] of [...planted, ...allowed]) write(path, text);
    const cruiser = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
    const args = [cruiser, 'proxy', 'main', 'renderer', 'test', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
    const ran = spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8', maxBuffer: 1 << 26, timeout: 60_000 });
    expect(ran.stderr).toBe('');
    refused = Report.parse(JSON.parse(ran.stdout)).summary.violations.map((violation) => `${violation.from} ${violation.rule.name}`);
  }, 90_000);

  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it.each(planted)('refuses %s: %s (%s)', (path, _text, rule) => {
    expect(refused).toContain(`${path} ${rule}`);
  });

  it.each(allowed)('allows %s', (path) => {
    expect(refused.filter((entry) => entry.startsWith(`${path} `))).toEqual([]);
  });
});
