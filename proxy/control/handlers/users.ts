import { createHash, randomBytes } from 'node:crypto';
import { verifyEd25519 } from '../../approval/quorum.ts';
import type { Output } from '../../contract/api.ts';
import type { Actor } from '../../contract/audit-event.ts';
import { fail } from '../../contract/errors.ts';
import type { Invitation, User } from '../../contract/user.ts';
import { newId } from '../../lib/ids.ts';
import { Secret } from '../../lib/secret.ts';
import { enrolmentBytes, holds } from '../../proof/decision.ts';
import type { ControlCaller, Handlers } from '../context.ts';
import { humansCalling, humansNamed, isAmong, overlap } from '../humans.ts';
import type { ControlPorts, EnrolmentAddress } from '../ports.ts';
import { merged, pageOf } from './paging.ts';

type Names = 'listUsers' | 'createUser' | 'updateUser' | 'deleteUser' | 'inviteUser' | 'confirmInvitation' | 'enrol' | 'signIn';
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'read' | 'signIns' | 'enrolment'>;
type InvitationView = Output<'confirmInvitation'>;

const maxUsers = 10_000;
const maxOpenInvitations = 20;
// letters only: a code must never look like a run of card digits
const alphabet = 'abcdefghijkmnpqrstuvwxyzACDEFGHJ';
/** 160 random bits in letters of 5 */
const codeLetters = 32;

export function userHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...peopleHandlers(ports), ...invitationHandlers(ports), ...keyHandlers(ports) };
}

function peopleHandlers(ports: Ports): Pick<Handlers, 'listUsers' | 'createUser' | 'updateUser' | 'deleteUser'> {
  const { state, clock, read } = ports;
  return {
    listUsers: (input) => pageOf(read.users.all(), ({ name }) => name, input),
    createUser: ({ name, human, groups, roles }, { caller, exclusive }) =>
      exclusive(async (commit) => {
        assertNotOwn({ before: null, after: { name, human, groups, roles } }, caller, ports);
        // a person with the name of a service account could never decide for it, and every listing would be ambiguous
        if (read.users.named(name) !== null || state.snapshot().serviceAccounts.some((account) => account.name === name)) throw fail('ERR_CONFLICT');
        if (read.users.all().length >= maxUsers) throw fail('ERR_CONFLICT', { message: `There are ${String(maxUsers)} users already.` });
        const user: User = { id: newId('usr'), name, human, groups, roles, disabled: false, createdAt: new Date(clock.now()).toISOString(), key: null };
        await commit('user.created', { affected: `user:${name}`, value: user });
        return user;
      }),
    updateUser: ({ name, ...patch }, { caller, exclusive }) =>
      exclusive(async (commit) => {
        const before = needUser(name, read);
        const user = merged(before, patch);
        assertNotOwn({ before, after: user }, caller, ports);
        await commit('user.updated', { affected: `user:${name}`, value: user });
        return user;
      }),
    deleteUser: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        await commit('user.deleted', { affected: `user:${name}`, value: needUser(name, read) });
        return { done: true };
      }),
  };
}

function invitationHandlers(ports: Ports): Pick<Handlers, 'inviteUser' | 'confirmInvitation'> {
  const { clock, read, enrolment } = ports;
  return {
    inviteUser: ({ name, expiresInSeconds }, { caller, exclusive }) =>
      exclusive(async (commit) => {
        const user = needUser(name, read);
        assertRoom(user, ports);
        const { code, invitation } = inviting(user, { invitedBy: caller.actor.name, now: clock.now(), expiresInSeconds });
        await commit('invitation.created', { affected: `user:${name}`, value: invitation });
        return { ...viewOf(invitation), code: enrolmentCode(name, code, enrolment()).reveal() };
      }),
    confirmInvitation: ({ id }, { caller, exclusive }) =>
      exclusive(async (commit) => {
        const invitation = read.invitations.find(id);
        if (invitation === null) throw fail('ERR_NOT_FOUND', { message: `There is no invitation ${id}.` });
        const fault = confirmingFault(invitation, caller, ports);
        if (fault !== null) throw fail('ERR_FORBIDDEN', { message: fault });
        if (!invitation.replaces || invitation.confirmedBy !== null || !isOpen(invitation, clock.now())) {
          throw fail('ERR_CONFLICT', { message: 'There is nothing to confirm: it replaces no key, was confirmed or used, or has expired.' });
        }
        const confirmed = { ...invitation, confirmedBy: caller.actor.name };
        await commit('invitation.confirmed', { affected: `invitation:${id}`, value: confirmed });
        return viewOf(confirmed);
      }),
  };
}

function keyHandlers({ clock, read, signIns }: Ports): Pick<Handlers, 'enrol' | 'signIn'> {
  return {
    enrol: ({ code, publicKey, proof }, { exclusive }) =>
      exclusive(async (commit) => {
        const hash = hashOf(new Secret(code));
        const { user, invitation } = invited(hash, { read, now: clock.now() });
        if (!(await holds(verifyEd25519, { publicKey, bytes: enrolmentBytes(hash, publicKey), signature: proof }))) {
          throw fail('ERR_VERIFICATION_FAILED', { message: 'The key did not sign the code.' });
        }
        if ((user.key !== null || invitation.replaces) && invitation.confirmedBy === null) {
          throw fail('ERR_CONFLICT', { message: 'A second administrator must confirm that the key is replaced.' });
        }
        if (read.users.all().some((other) => other.key?.publicKey === publicKey)) throw fail('ERR_CONFLICT', { message: 'This key is enrolled already.' });
        const at = new Date(clock.now()).toISOString();
        const key = { id: newId('key'), algorithm: 'ed25519' as const, publicKey, enrolledAt: at };
        const enrolled: User = { ...user, key };
        const value = { user: enrolled, invitation: { ...invitation, usedAt: at } };
        await commit('approver-key.enrolled', { affected: `user:${user.name}`, value, actor: personActor(user, key.id) });
        return enrolled;
      }),
    signIn: async (attempt, { record }) => {
      const signed = await signIns.verify(attempt);
      await record('authentication.succeeded', { affected: 'control', actor: personActor(signed.user, signed.key) });
      const { token, expiresAt } = signIns.issue(signed);
      return { token: token.reveal(), expiresAt: new Date(expiresAt).toISOString(), user: signed.user };
    },
  };
}

/** A person, as the role that reaches furthest; the log of a call says the role it was made in. */
export function personActor({ id, name, roles }: User, key: string): Actor {
  const kind = roles.includes('administrator') ? 'administrator' : roles.includes('auditor') ? 'auditor' : 'approver';
  return { issuer: 'postern', subject: id, name, kind, credential: key };
}

/** The line that a person is handed: where to enrol, how to know it, and the secret part. */
export function enrolmentCode(user: string, code: Secret<string>, { url, ca, service }: EnrolmentAddress): Secret<string> {
  const text = Buffer.from(JSON.stringify({ url, ca, service, user, code: code.reveal() })).toString('base64url');
  return new Secret(`postern-enrol:${text}`);
}

type Standing = Pick<User, 'name' | 'human' | 'groups' | 'roles'>;

/** Nobody gives themselves the groups, roles or name with which they could then decide alone; others may, and giving up is free. */
function assertNotOwn({ before, after }: { before: Standing | null; after: Standing }, caller: ControlCaller, ports: Ports): void {
  const humans = humansCalling(caller, ports);
  if (!isAmong(after, humans) && (before === null || !isAmong(before, humans))) return;
  const isNew = <T>(list: readonly T[], earlier: readonly T[] = []): boolean => list.some((each) => !earlier.includes(each));
  if (isNew(after.groups, before?.groups) || isNew<string>(after.roles, before?.roles) || (before !== null && before.human !== after.human))
    throw fail('ERR_FORBIDDEN', { message: 'Nobody gives groups or roles to themselves.', hint: 'Ask another administrator.' });
}

/** Why this administrator is not the second one; null: they are. */
function confirmingFault({ invitedBy, user: id, createdAt }: Invitation, caller: ControlCaller, ports: Ports): string | null {
  const { state, read } = ports;
  const inviters = humansNamed(invitedBy, ports);
  if (inviters.size === 0) return 'Whoever invited is no longer known: invite again.';
  const humans = humansCalling(caller, ports);
  if (invitedBy === caller.actor.name || overlap(humans, inviters)) return 'Another administrator than the one who invited must confirm it.';
  const user = read.users.find(id);
  if (user !== null && isAmong(user, humans)) return 'Nobody confirms that their own key is replaced.';
  const since =
    read.users.find(caller.actor.subject)?.key?.enrolledAt ??
    state.snapshot().serviceAccounts.find((account) => account.id === caller.actor.subject)?.createdAt;
  // made for the purpose
  return since === undefined || since >= createdAt ? 'The second administrator must have been there before the invitation.' : null;
}

function needUser(name: string, { users }: Pick<Ports['read'], 'users'>): User {
  const user = users.named(name);
  if (user === null) throw fail('ERR_NOT_FOUND', { message: `There is no user ${name}.` });
  return user;
}

function assertRoom(user: User, { read, clock }: Ports): void {
  const waiting = read.invitations.all().filter((invitation) => invitation.user === user.id && isOpen(invitation, clock.now()));
  if (waiting.length >= maxOpenInvitations) throw fail('ERR_CONFLICT', { message: `${user.name} has ${String(waiting.length)} unused invitations already.` });
}

export function inviting(
  user: User,
  { invitedBy, now, expiresInSeconds }: { invitedBy: string; now: number; expiresInSeconds: number },
): { code: Secret<string>; invitation: Invitation } {
  const code = new Secret(Array.from(randomBytes(codeLetters), (byte) => alphabet.charAt(byte & 31)).join(''));
  const invitation = {
    id: newId('inv'),
    user: user.id,
    hash: hashOf(code),
    createdAt: new Date(now).toISOString(),
    expiresAt: new Date(now + expiresInSeconds * 1_000).toISOString(),
    invitedBy,
    replaces: user.key !== null,
    confirmedBy: null,
    usedAt: null,
  };
  return { code, invitation };
}

/** Whose code it is. Throws ERR_UNAUTHENTICATED, the same for every fault. */
function invited(hash: string, { read, now }: { read: Ports['read']; now: number }): { user: User; invitation: Invitation } {
  const invitation = read.invitations.all().find((candidate) => candidate.hash === hash);
  const user = invitation === undefined ? null : read.users.find(invitation.user);
  if (invitation === undefined || user === null || user.disabled || !isOpen(invitation, now))
    throw fail('ERR_UNAUTHENTICATED', { message: 'The code is not valid.', hint: 'It is good once and for a time: ask an administrator to invite you again.' });
  return { user, invitation };
}

export function isOpen({ usedAt, expiresAt }: Invitation, now: number): boolean {
  return usedAt === null && now < Date.parse(expiresAt);
}

function hashOf(code: Secret<string>): string {
  return createHash('sha256').update(code.reveal()).digest('base64url');
}

function viewOf({ hash: _, ...view }: Invitation): InvitationView {
  return view;
}
