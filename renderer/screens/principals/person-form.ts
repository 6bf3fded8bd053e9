import { Group, ServiceAccount } from '../../../proxy/contract/principal.ts';
import { User } from '../../../proxy/contract/user.ts';

const nameWords = 'Lower-case letters, digits, dot, dash and underscore; it begins with a letter and has at most 63.';

export function nameFault(name: string): string | undefined {
  return ServiceAccount.shape.name.safeParse(name).success ? undefined : nameWords;
}

export function groupFault(group: string): string | undefined {
  return Group.safeParse(group).success ? undefined : nameWords;
}

export function ownerFault(owner: string): string | undefined {
  return ServiceAccount.shape.owner.safeParse(owner.trim()).success ? undefined : 'Who answers for it: 3 to 200 characters.';
}

export function purposeFault(purpose: string): string | undefined {
  return ServiceAccount.shape.purpose.safeParse(purpose.trim()).success ? undefined : 'What it is for: 3 to 500 characters.';
}

export function humanFault(human: string): string | undefined {
  return User.shape.human.safeParse(human.trim()).success ? undefined : 'A staff number or mail address: 3 to 200 characters, none of them invisible.';
}

/** Members that have a fault, with it. */
export function faultsAmong<K extends string>(found: Readonly<Record<K, string | undefined>>): Partial<Record<K, string>> {
  return Object.fromEntries(Object.entries(found).filter(([, fault]) => fault !== undefined)) as Partial<Record<K, string>>;
}

/** The groups that others are in: proposals. */
export function groupsOf(holders: readonly { readonly groups: readonly string[] }[]): readonly string[] {
  return [...new Set(holders.flatMap(({ groups }) => groups))].sort();
}

/** The one who reads it opens the console with the code in the part of the address that is never sent. */
export function enrolmentLink(serviceUrl: string, code: string): string {
  return `${serviceUrl.replace(/\/+$/, '')}/#enrol=${code}`;
}
