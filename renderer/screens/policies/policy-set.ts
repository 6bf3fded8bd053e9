import { PolicyFileView } from '../../../proxy/contract/api-views.ts';
import type { Output } from '../../../proxy/contract/api.ts';

export type PolicyFile = Output<'getPolicies'>['files'][number];

/** Policies as they are being edited. `base`: what they were made from; `version` of it is what a save replaces. */
export interface PolicyDraft {
  readonly base: PolicySetText;
  readonly files: readonly PolicyFile[];
  /** name of the file in the editor; empty: there is none */
  readonly open: string;
}

export interface PolicySetText {
  readonly version: string;
  readonly files: readonly PolicyFile[];
}

export const policyEnding = '.cedar';

export function draftOf(base: PolicySetText, open = ''): PolicyDraft {
  const files = inOrder(base.files);
  return { base, files, open: files.some(({ name }) => name === open) ? open : (files[0]?.name ?? '') };
}

export function edited(draft: PolicyDraft, name: string, text: string): PolicyDraft {
  return { ...draft, files: draft.files.map((file) => (file.name === name ? { name, text } : file)) };
}

export function added(draft: PolicyDraft, name: string, text = ''): PolicyDraft {
  return { ...draft, files: inOrder([...draft.files, { name, text }]), open: name };
}

export function renamed(draft: PolicyDraft, from: string, to: string): PolicyDraft {
  const files = inOrder(draft.files.map((file) => (file.name === from ? { ...file, name: to } : file)));
  return { ...draft, files, open: draft.open === from ? to : draft.open };
}

export function removed(draft: PolicyDraft, name: string): PolicyDraft {
  const at = draft.files.findIndex((file) => file.name === name);
  const files = draft.files.filter((file) => file.name !== name);
  return { ...draft, files, open: draft.open === name ? (files[Math.min(at, files.length - 1)]?.name ?? '') : draft.open };
}

export function opened(draft: PolicyDraft, name: string): PolicyDraft {
  return draft.files.some((file) => file.name === name) ? { ...draft, open: name } : draft;
}

/** Other files in place of the edited ones; saving still replaces what they were made from. */
export function loaded(draft: PolicyDraft, files: readonly PolicyFile[]): PolicyDraft {
  return { ...draftOf({ version: draft.base.version, files }, draft.open), base: draft.base };
}

/** Why a file cannot have this name; undefined: it can. `current`: the name it has now. */
export function fileNameFault(draft: PolicyDraft, name: string, current = ''): string | undefined {
  if (!PolicyFileView.shape.name.safeParse(name).success)
    return 'Letters, digits, dot, dash and underscore; it begins with a letter or digit and has at most 128.';
  if (!name.endsWith(policyEnding)) return `It ends with ${policyEnding}.`;
  return name !== current && draft.files.some((file) => file.name === name) ? 'There is a file of this name.' : undefined;
}

export type ChangeKind = 'added' | 'removed' | 'changed';

export interface FileChange {
  readonly name: string;
  readonly kind: ChangeKind;
  readonly before: string;
  readonly after: string;
}

/** What differs between two sets, by file name. */
export function changesBetween(before: readonly PolicyFile[], after: readonly PolicyFile[]): readonly FileChange[] {
  const was = textsOf(before);
  const is = textsOf(after);
  const names = [...new Set([...was.keys(), ...is.keys()])].sort();
  return names.flatMap((name): FileChange[] => {
    const [old, now] = [was.get(name), is.get(name)];
    if (old === now) return [];
    return [{ name, kind: old === undefined ? 'added' : now === undefined ? 'removed' : 'changed', before: old ?? '', after: now ?? '' }];
  });
}

export function changesOf({ base, files }: PolicyDraft): readonly FileChange[] {
  return changesBetween(base.files, files);
}

/** Files that both sides changed since `base`, and not to the same: a save must not lose one of them. */
export function clashesOf(base: readonly PolicyFile[], theirs: readonly PolicyFile[], mine: readonly PolicyFile[]): readonly string[] {
  const they = new Map(changesBetween(base, theirs).map((change) => [change.name, change]));
  return changesBetween(base, mine).flatMap(({ name, kind, after }) => {
    const other = they.get(name);
    return other === undefined || (other.kind === kind && other.after === after) ? [] : [name];
  });
}

/** Their set with what I changed on top; of files that both changed mine, which `clashesOf` names. */
export function mergedOnto(theirs: PolicySetText, draft: PolicyDraft): PolicyDraft {
  const files = textsOf(theirs.files);
  for (const { name, kind, after } of changesOf(draft)) {
    if (kind === 'removed') files.delete(name);
    else files.set(name, after);
  }
  return loaded(
    { ...draft, base: theirs },
    [...files].map(([name, text]) => ({ name, text })),
  );
}

/** “2 files changed, 1 added” */
export function changesText(changes: readonly FileChange[]): string {
  const count = (kind: ChangeKind): number => changes.filter((change) => change.kind === kind).length;
  const parts = (['changed', 'added', 'removed'] as const).flatMap((kind) => (count(kind) === 0 ? [] : [`${count(kind)} ${kind}`]));
  return parts.length === 0 ? 'nothing changed' : `${changes.length === 1 ? '1 file' : `${changes.length} files`}: ${parts.join(', ')}`;
}

function textsOf(files: readonly PolicyFile[]): Map<string, string> {
  return new Map(files.map(({ name, text }) => [name, text]));
}

function inOrder(files: readonly PolicyFile[]): readonly PolicyFile[] {
  return files.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
