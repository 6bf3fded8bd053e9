import { rm } from 'node:fs/promises';
import type { Actor } from '../contract/audit-event.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { User } from '../contract/user.ts';
import type { Changes } from '../control/changes.ts';
import { hasAdministrator } from '../control/handlers/service-accounts.ts';
import { enrolmentCode, inviting, isOpen } from '../control/handlers/users.ts';
import type { EnrolmentAddress } from '../control/ports.ts';
import { mintToken, newScramSalt } from '../identity/token.ts';
import { systemClock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { replaceFile } from '../store/files.ts';
import type { ReadableState } from '../store/repositories.ts';

export interface SetUpParts {
  readonly read: Pick<ReadableState, 'users' | 'invitations'>;
  readonly snapshot: () => Snapshot;
  readonly changes: Changes;
  readonly itself: { readonly actor: Actor; readonly origin: string };
  readonly address: EnrolmentAddress;
  /** where the link stands while it is good: 0600 */
  readonly file: string;
}

const name = 'administrator';
const linkSeconds = 86_400;
const firstTokenDays = 366;
const dayMs = 86_400_000;

/**
 * A link to enrol the first person who administers, good once and for a day; an earlier one is void from then on. Null: somebody is
 * enrolled already, or the user `administrator` was disabled, changed or given another use, which is respected.
 */
export async function makeSetUpLink({ read, snapshot, changes, itself, address, file }: SetUpParts): Promise<Secret<string> | null> {
  await rm(file, { force: true });
  return changes.exclusive(async () => {
    const before = read.users.named(name);
    if (hasEnrolledAdministrator(read) || !isForSetUp(before, snapshot())) return null;
    const now = systemClock.now();
    const isInvited = before !== null && read.invitations.all().some((invitation) => invitation.user === before.id && isOpen(invitation, now));
    // invitations go with their user
    if (isInvited) await changes.commit('user.deleted', itself, { affected: `user:${name}`, value: before });
    const user = before === null || isInvited ? fresh(before, now) : before;
    if (user !== before) await changes.commit('user.created', itself, { affected: `user:${name}`, value: user });
    const { code, invitation } = inviting(user, { invitedBy: itself.actor.name, now, expiresInSeconds: linkSeconds });
    await changes.commit('invitation.created', itself, { affected: `user:${name}`, value: invitation });
    const link = new Secret(`${address.url}/#enrol=${enrolmentCode(name, code, address).reveal()}`);
    await replaceFile(file, Buffer.from(`${link.reveal()}\n`));
    return link;
  });
}

export function hasEnrolledAdministrator({ users }: Pick<ReadableState, 'users'>): boolean {
  return users.all().some(({ roles, disabled, key }) => roles.includes('administrator') && !disabled && key !== null);
}

/** Absent and free to be made, or waiting to be enrolled. */
function isForSetUp(user: User | null, { serviceAccounts }: Snapshot): boolean {
  if (user === null) return !serviceAccounts.some((account) => account.name === name);
  return !user.disabled && user.key === null && user.roles.includes('administrator');
}

function fresh(before: User | null, now: number): User {
  const kept = before ?? { name, human: name, groups: [], roles: ['administrator', 'auditor'] satisfies User['roles'], disabled: false, key: null };
  return { ...kept, id: newId('usr'), createdAt: new Date(now).toISOString() };
}

/** Without a good administrator token nobody could do anything: whoever can start the service gets one, and the log says so. */
export async function ensureAdministrator({ snapshot, changes, itself }: Pick<SetUpParts, 'snapshot' | 'changes' | 'itself'>): Promise<Secret<string> | null> {
  return changes.exclusive(async () => {
    const { serviceAccounts, tokens } = snapshot();
    if (hasAdministrator(serviceAccounts, tokens, systemClock)) return null;
    const found = serviceAccounts.find((account) => account.name === 'admin');
    const account: ServiceAccount = found
      ? { ...found, disabled: false }
      : {
          id: newId('svc'),
          name: 'admin',
          owner: 'whoever installed Postern',
          purpose: 'administration',
          groups: [],
          disabled: false,
          createdAt: new Date(systemClock.now()).toISOString(),
          scramSalt: newScramSalt(),
        };
    await changes.commit(found ? 'service-account.updated' : 'service-account.created', itself, { affected: 'service-account:admin', value: account });
    const { token, record } = mintToken(
      account,
      { expiresAt: systemClock.now() + firstTokenDays * dayMs, resources: [], networks: [], roles: ['administrator', 'auditor'] },
      systemClock,
    );
    await changes.commit('token.created', itself, { affected: `token:${record.id}`, value: record });
    return token;
  });
}
