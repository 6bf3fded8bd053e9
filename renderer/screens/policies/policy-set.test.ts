import { describe, expect, it } from 'vitest';
import {
  added,
  changesBetween,
  changesOf,
  changesText,
  clashesOf,
  draftOf,
  edited,
  fileNameFault,
  loaded,
  mergedOnto,
  opened,
  removed,
  renamed,
} from './policy-set.ts';

const a = { name: '10-a.cedar', text: 'a' };
const b = { name: '20-b.cedar', text: 'b' };
const base = { version: 'pol_one', files: [b, a] };

describe('a draft of policies', () => {
  it('begins as what is in force, in the order of names', () => {
    const draft = draftOf(base);
    expect(draft.files).toEqual([a, b]);
    expect(draft.open).toBe('10-a.cedar');
    expect(changesOf(draft)).toEqual([]);
  });

  it('adds, renames and removes files and keeps one open', () => {
    const three = added(draftOf(base), '15-c.cedar', 'c');
    expect(three.files.map(({ name }) => name)).toEqual(['10-a.cedar', '15-c.cedar', '20-b.cedar']);
    expect(three.open).toBe('15-c.cedar');
    const moved = renamed(three, '15-c.cedar', '30-c.cedar');
    expect(moved.open).toBe('30-c.cedar');
    expect(removed(moved, '30-c.cedar').open).toBe('20-b.cedar');
    expect(removed(removed(draftOf(base), '10-a.cedar'), '20-b.cedar').open).toBe('');
  });

  it('opens only what is there', () => {
    expect(opened(draftOf(base), '20-b.cedar').open).toBe('20-b.cedar');
    expect(opened(draftOf(base), 'other.cedar').open).toBe('10-a.cedar');
  });

  it('loses an edit that is taken back', () => {
    const draft = edited(draftOf(base), '10-a.cedar', 'x');
    expect(changesOf(draft)).toEqual([{ name: '10-a.cedar', kind: 'changed', before: 'a', after: 'x' }]);
    expect(changesOf(edited(draft, '10-a.cedar', 'a'))).toEqual([]);
  });

  it('shows a renamed file as one that went and one that came', () => {
    const changes = changesOf(renamed(draftOf(base), '10-a.cedar', '30-a.cedar'));
    expect(changes.map(({ name, kind }) => `${kind} ${name}`)).toEqual(['removed 10-a.cedar', 'added 30-a.cedar']);
    expect(changesText(changes)).toBe('2 files: 1 added, 1 removed');
  });

  it('loads another version without taking it for what is in force', () => {
    const draft = loaded(draftOf(base, '20-b.cedar'), [{ ...b, text: 'old' }]);
    expect(draft.base.version).toBe('pol_one');
    expect(draft.open).toBe('20-b.cedar');
    expect(changesOf(draft)).toHaveLength(2);
  });

  it.each([
    ['', 'Letters'],
    ['../x.cedar', 'Letters'],
    ['rules.txt', 'ends with'],
    ['20-b.cedar', 'There is a file'],
  ])('refuses the file name %s', (name, fault) => {
    expect(fileNameFault(draftOf(base), name)).toContain(fault);
  });

  it('lets a file keep its name', () => {
    expect(fileNameFault(draftOf(base), '20-b.cedar', '20-b.cedar')).toBeUndefined();
    expect(fileNameFault(draftOf(base), '30-c.cedar')).toBeUndefined();
  });
});

describe('a conflict', () => {
  const theirs = { version: 'pol_two', files: [{ ...a, text: 'theirs' }, b] };

  it('is of the files that both changed', () => {
    expect(clashesOf(base.files, theirs.files, [{ ...a, text: 'mine' }, b])).toEqual(['10-a.cedar']);
    expect(clashesOf(base.files, theirs.files, [a, { ...b, text: 'mine' }])).toEqual([]);
    expect(clashesOf(base.files, theirs.files, [{ ...a, text: 'theirs' }, b])).toEqual([]);
    expect(clashesOf(base.files, theirs.files, [b])).toEqual(['10-a.cedar']);
  });

  it('puts my changes onto theirs and replaces theirs', () => {
    const draft = mergedOnto(theirs, edited(draftOf(base), '20-b.cedar', 'mine'));
    expect(draft.base.version).toBe('pol_two');
    expect(draft.files).toEqual([
      { name: '10-a.cedar', text: 'theirs' },
      { name: '20-b.cedar', text: 'mine' },
    ]);
    expect(changesBetween(theirs.files, draft.files)).toHaveLength(1);
  });

  it('keeps a removal', () => {
    expect(mergedOnto(theirs, removed(draftOf(base), '10-a.cedar')).files).toEqual([b]);
  });
});
