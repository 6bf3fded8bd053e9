import { humanKey } from '../contract/user.ts';
import type { ControlCaller } from './context.ts';
import type { ControlPorts } from './ports.ts';

type Known = { readonly state: Pick<ControlPorts['state'], 'snapshot'>; readonly read: Pick<ControlPorts['read'], 'users'> };

/**
 * Who is behind an account of the control plane, as keys that can be compared: the person, or the owner of the service account,
 * and the name itself, since an owner may be written as either. Empty when nobody has that name any more.
 */
export function humansNamed(name: string, { state, read }: Known): ReadonlySet<string> {
  const owners = state.snapshot().serviceAccounts.filter((account) => account.name === name);
  const user = read.users.named(name);
  return keysOf([...owners.flatMap((account) => [account.owner, account.name]), ...(user === null ? [] : [user.human, user.name])]);
}

/** The humans who call: `humansNamed`, by the account that proved itself. */
export function humansCalling({ actor }: ControlCaller, { state, read }: Known): ReadonlySet<string> {
  const account = state.snapshot().serviceAccounts.find(({ id }) => id === actor.subject);
  const user = read.users.find(actor.subject);
  return keysOf([...(account === undefined ? [] : [account.owner, account.name]), ...(user === null ? [] : [user.human, user.name])]);
}

/** Whether this person is one of them, by either of the ways a person is written. */
export function isAmong({ human, name }: { readonly human: string; readonly name: string }, humans: ReadonlySet<string>): boolean {
  return humans.has(humanKey(human)) || humans.has(humanKey(name));
}

export function overlap(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return [...one].some((human) => other.has(human));
}

function keysOf(humans: readonly string[]): ReadonlySet<string> {
  return new Set(humans.map(humanKey));
}
