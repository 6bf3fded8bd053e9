import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConsoleWalk } from './console-walk.ts';

const deleteFile = '35-delete.cedar';
const deletes = (id: string, table: string, terms: string): string =>
  `@id("${id}") ${terms} permit (principal in Group::"writers", action == Action::"sql:delete", resource is Table) when { ${table} };\n`;

/** What the demo asks of approvers, but two people for one table, and only ten seconds for another. */
const deletePolicies = [
  deletes(
    'delete-with-approval',
    'resource.schema == "public" && !["card_numbers_numeric", "customers"].contains(resource.name)',
    '@approve("approvers:1") @expires("15m")',
  ),
  deletes('delete-numbers', 'resource.name == "card_numbers_numeric"', '@approve("approvers:2") @expires("15m")'),
  deletes('delete-customers', 'resource.name == "customers"', '@approve("approvers:1") @expires("10s")'),
].join('\n');

/** As an administrator would from a terminal: everything in a folder, one file changed, and back. */
export async function changePolicies(walk: ConsoleWalk, change: (dir: string) => void): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-policies-'));
  try {
    await walk.json(['policy', 'get', dir]);
    change(dir);
    await walk.json(['policy', 'put', dir]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function putDeletePolicies(walk: ConsoleWalk): Promise<void> {
  await changePolicies(walk, (dir) => writeFileSync(join(dir, deleteFile), deletePolicies));
}
