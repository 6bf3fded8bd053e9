import type { ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { Changes } from './changes.tsx';
import { changesOf, changesText, type PolicyDraft } from './policy-set.ts';

interface ReviewSaveProps {
  readonly draft: PolicyDraft;
  readonly onClose: () => void;
  readonly onSaved: (version: string) => void;
  readonly onConflict: () => void;
}

/** Shows what will be in force before it is. The save names the version it replaces. */
export function ReviewSave({ draft, onClose, onSaved, onConflict }: ReviewSaveProps): ReactNode {
  const { run, running, fault } = useMutationCall('putPolicies');
  const toast = useToast();
  const changes = changesOf(draft);
  const save = async (): Promise<void> => {
    const saved = await run({ files: [...draft.files], replaces: draft.base.version });
    if (saved === null) return;
    toast({ tone: 'good', text: 'The policies are in force.' });
    onSaved(saved.version);
  };
  const conflict = fault?.code === 'ERR_CONFLICT';
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      {conflict ? (
        <Button variant="primary" onPress={onConflict}>
          Compare with theirs
        </Button>
      ) : (
        <Button variant="primary" pending={running} onPress={() => void save()}>
          Put in force
        </Button>
      )}
    </>
  );
  return (
    <Drawer title="Review changes" open onClose={onClose} actions={actions} wide>
      {fault && <Fault of={fault} />}
      {draft.files.length === 0 && <Notice tone="warn">No policy would be left: every connection and every command would be refused.</Notice>}
      <p>{changesText(changes)}. They count for the next command of every session; sessions that may no longer connect end within a second.</p>
      <Changes of={changes} />
    </Drawer>
  );
}
