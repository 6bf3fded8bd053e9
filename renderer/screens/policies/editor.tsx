import { FilePlus, Pencil, Trash2, Undo2 } from 'lucide-react';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { CodeEditor } from '../../kit/code-editor.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Button } from '../../kit/button.tsx';
import { EditorQuestion, type Asked } from './editor-question.tsx';
import { FileList } from './file-list.tsx';
import type { PolicyScreen } from './index.tsx';
import { changesOf, changesText, edited, opened, type PolicyDraft } from './policy-set.ts';
import { Problems } from './problems.tsx';
import styles from './policies.module.css';
import { useCheck, type Checked } from './use-check.ts';

export function Editor(screen: PolicyScreen): ReactNode {
  const { draft, setDraft, inForce } = screen;
  const { path, replace } = usePlace();
  const [asked, setAsked] = useState<Asked>(null);
  const checked = useCheck(draft.files);
  const changes = changesOf(draft);
  const behind = draft.base.version !== inForce.version;
  const [, wanted = '', line = '', column = '1'] = path;
  // an address that names a file opens it, at its line; typing later does not go back there
  useEffect(() => {
    if (wanted !== '' && wanted !== draft.open) setDraft(opened(draft, wanted));
  }, [wanted]);
  const [goTo, setGoTo] = useState<{ line: number; column: number }>();
  useEffect(() => {
    if (line !== '') setGoTo({ line: Number(line) || 1, column: Number(column) || 1 });
  }, [column, line, wanted]);
  const open = (name: string): void => {
    setGoTo(undefined);
    setDraft(opened(draft, name));
    replace('edit', name);
  };
  const jump = (file: string, at: { line: number; column: number }): void => {
    setDraft(opened(draft, file));
    replace('edit', file, String(at.line), String(at.column));
    setGoTo(at);
  };
  return (
    <>
      <Bar draft={draft} checked={checked} ask={setAsked} />
      {behind && changes.length > 0 && (
        <Notice tone="warn" action={<Button onPress={() => setAsked('conflict')}>Compare</Button>}>
          The policies in force were changed since you began. Yours cannot be saved until they are put onto the new ones.
        </Notice>
      )}
      <div className={styles['split']}>
        <FileList draft={draft} faults={checked.faults} onOpen={open} />
        <Pane draft={draft} setDraft={setDraft} checked={checked} goTo={goTo} jump={jump} />
      </div>
      <EditorQuestion {...screen} asked={asked} ask={setAsked} />
    </>
  );
}

interface PaneProps {
  readonly draft: PolicyDraft;
  readonly setDraft: (draft: PolicyDraft) => void;
  readonly checked: Checked;
  readonly goTo: { readonly line: number; readonly column: number } | undefined;
  readonly jump: (file: string, at: { line: number; column: number }) => void;
}

function Pane({ draft, setDraft, checked, goTo, jump }: PaneProps): ReactNode {
  const file = draft.files.find(({ name }) => name === draft.open);
  const name = file?.name;
  // the same list while it says the same: hovered messages stay open
  const marks = useMemo(() => checked.faults.filter((fault) => fault.file === name), [checked.faults, name]);
  if (file === undefined)
    return <Empty title="There is no policy">Everything is refused: nothing is permitted. Make a file, or load an earlier version from History.</Empty>;
  return (
    <div className={styles['pane']}>
      <div className={styles['text']}>
        <CodeEditor
          key={file.name}
          label={file.name}
          value={file.text}
          onChange={(text) => setDraft(edited(draft, file.name, text))}
          language="cedar"
          marks={marks}
          goTo={goTo}
        />
      </div>
      <Problems checked={checked} onJump={jump} />
    </div>
  );
}

function Bar({ draft, checked, ask }: { draft: PolicyDraft; checked: Checked; ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  const changes = changesOf(draft);
  const none = draft.open === '' ? 'There is no file' : undefined;
  const unchanged = changes.length === 0 ? 'Nothing was changed' : undefined;
  const invalid = checked.faults.length > 0 ? 'Correct the problems first' : undefined;
  return (
    <div className={styles['bar']}>
      <Button onPress={() => ask('new')}>
        <FilePlus size={14} aria-hidden />
        New file
      </Button>
      <ActionButton reason={none} onPress={() => ask('rename')}>
        <Pencil size={14} aria-hidden />
        Rename
      </ActionButton>
      <ActionButton reason={none} onPress={() => ask('delete')}>
        <Trash2 size={14} aria-hidden />
        Delete file
      </ActionButton>
      <span className={styles['spacer']} />
      <span className={styles['muted']} role="status">
        {changes.length === 0 ? 'As in force' : `Unsaved (${changesText(changes)})`}
      </span>
      <ActionButton reason={unchanged} onPress={() => ask('discard')}>
        <Undo2 size={14} aria-hidden />
        Discard
      </ActionButton>
      <ActionButton variant="primary" reason={need ?? unchanged ?? invalid} onPress={() => ask('save')}>
        Review and save
      </ActionButton>
    </div>
  );
}
