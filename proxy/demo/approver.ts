import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnrolmentCode } from '../contract/enrolment-code.ts';
import type { Client } from '../cli/client.ts';
import { enrol } from '../cli/enrolling.ts';
import { demoApprover } from './configure.ts';

export function approverKeyFile(dataDir: string): string {
  return join(dataDir, 'demo-approver.json');
}

/** The demo's one person with a key, enrolled as anybody would be; a key file that is lost means a new person. */
export async function enrolApprover(client: Client, dataDir: string): Promise<void> {
  const { name, human, groups } = demoApprover;
  const path = approverKeyFile(dataDir);
  const { items } = await client.call('listUsers', { limit: 1_000 });
  const known = items.find((user) => user.name === name);
  if (known?.key && (await exists(path))) return;
  if (known) await client.call('deleteUser', { name });
  await client.call('createUser', { name, human, groups: [...groups] });
  const { code } = await client.call('inviteUser', { name });
  await enrol(parseEnrolmentCode(code), { path, replace: true, passphrase: () => Promise.resolve(null) });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
