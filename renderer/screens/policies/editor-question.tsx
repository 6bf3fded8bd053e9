import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { Confirm } from '../../kit/confirm.tsx';
import { FileName } from './file-name.tsx';
import type { PolicyScreen } from './index.tsx';
import { added, changesOf, changesText, draftOf, removed, renamed, type PolicyDraft } from './policy-set.ts';
import { ReviewConflict } from './review-conflict.tsx';
import { ReviewSave } from './review-save.tsx';

export type Asked = 'new' | 'rename' | 'delete' | 'discard' | 'save' | 'conflict' | null;

interface QuestionProps extends PolicyScreen {
  readonly asked: Asked;
  readonly ask: (asked: Asked) => void;
}

/** What the editor asks before it does something. */
export function EditorQuestion(props: QuestionProps): ReactNode {
  const { draft, setDraft, ask } = props;
  const { replace } = usePlace();
  const close = (): void => ask(null);
  const put = (next: PolicyDraft): void => {
    setDraft(next);
    replace('edit', ...(next.open === '' ? [] : [next.open]));
    close();
  };
  switch (props.asked) {
    case null:
      return null;
    case 'new':
      return <FileName title="New file" action="Create file" draft={draft} current="" onClose={close} onDone={(name) => put(added(draft, name))} />;
    case 'rename':
      return (
        <FileName
          title={`Rename ${draft.open}`}
          action="Rename"
          draft={draft}
          current={draft.open}
          onClose={close}
          onDone={(name) => put(renamed(draft, draft.open, name))}
        />
      );
    case 'delete':
      return (
        <Confirm title={`Delete ${draft.open}?`} action="Delete file" open onClose={close} onConfirm={() => put(removed(draft, draft.open))}>
          It is taken out of what you are editing; what is in force changes when you save.
        </Confirm>
      );
    default:
      return <SetQuestion {...props} asked={props.asked} put={put} close={close} />;
  }
}

interface SetQuestionProps extends QuestionProps {
  readonly asked: 'discard' | 'save' | 'conflict';
  readonly put: (draft: PolicyDraft) => void;
  readonly close: () => void;
}

function SetQuestion({ asked, ask, draft, setDraft, inForce, readAgain, put, close }: SetQuestionProps): ReactNode {
  const drop = (): void => put(draftOf(inForce, draft.open));
  const compare = (): void => {
    readAgain();
    ask('conflict');
  };
  const merged = (next: PolicyDraft): void => {
    setDraft(next);
    ask('save');
  };
  if (asked === 'save')
    return <ReviewSave draft={draft} onClose={close} onSaved={(version) => put(draftOf({ version, files: draft.files }, draft.open))} onConflict={compare} />;
  if (asked === 'conflict') return <ReviewConflict draft={draft} inForce={inForce} onClose={close} onMerged={merged} onDropped={drop} />;
  return (
    <Confirm title="Discard your changes?" action="Discard changes" open onClose={close} onConfirm={drop}>
      The editor shows the policies in force again ({changesText(changesOf(draft))}).
    </Confirm>
  );
}
