import type { Output } from '../../../proxy/contract/api.ts';

type Version = Output<'listPolicyVersions'>['items'][number];

/** Enough of it to tell versions apart by eye; the whole stands beside. */
export function shortVersion(version: string): string {
  return version.slice(0, 12);
}

/** The version in force before the newest use of this one; `nothing`: it was the first. `versions`: newest first. */
export function previousOf(versions: readonly Version[], version: string): string {
  const at = versions.findIndex((each) => each.version === version);
  return versions.slice(at + 1).find((each) => each.version !== version)?.version ?? 'nothing';
}

/** What was chosen in the address; else the one before. */
export function otherOf(chosen: string | undefined, previous: string): string {
  return chosen === undefined || chosen === '' ? previous : chosen;
}

/** What a version can be compared with: each other one once, the edited text, nothing. */
export function comparable(versions: readonly Version[], version: string): { value: string; label: string; note?: string }[] {
  const others = [...new Map(versions.filter((each) => each.version !== version).map((each) => [each.version, each])).values()];
  return [
    { value: 'edited', label: 'What is being edited' },
    ...others.map((each) => ({ value: each.version, label: shortVersion(each.version), note: `${each.at.slice(0, 16).replace('T', ' ')} UTC, ${each.by}` })),
    { value: 'nothing', label: 'Nothing' },
  ];
}
