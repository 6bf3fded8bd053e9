import type { ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { Diff } from '../../kit/diff.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Loading, Notice } from '../../kit/states.tsx';
import styles from './policies.module.css';
import { changesBetween, clashesOf, mergedOnto, type PolicyDraft, type PolicySetText } from './policy-set.ts';

interface ReviewConflictProps {
  readonly draft: PolicyDraft;
  readonly inForce: PolicySetText;
  readonly onClose: () => void;
  readonly onMerged: (draft: PolicyDraft) => void;
  readonly onDropped: () => void;
}

/** Somebody else saved first: theirs beside mine, before anything is put over anything. */
export function ReviewConflict({ draft, inForce, onClose, onMerged, onDropped }: ReviewConflictProps): ReactNode {
  const known = draft.base.version !== inForce.version;
  const clashes = clashesOf(draft.base.files, inForce.files, draft.files);
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="danger" onPress={onDropped}>
        Discard mine
      </Button>
      <Button variant="primary" pending={!known} onPress={() => onMerged(mergedOnto(inForce, draft))}>
        Put mine onto theirs
      </Button>
    </>
  );
  return (
    <Drawer title="The policies were changed meanwhile" open onClose={onClose} actions={actions} wide>
      {!known ? (
        <Loading label="Reading the policies in force" />
      ) : (
        <>
          <Notice tone={clashes.length > 0 ? 'warn' : 'quiet'}>
            {clashes.length > 0
              ? `Both changed ${clashes.join(', ')}. Put onto theirs, your text of these files counts: take over what is missing in the editor first, or after.`
              : 'You changed other files than they did: yours can be put onto theirs without losing either.'}
          </Notice>
          <Sides theirs={inForce} draft={draft} />
        </>
      )}
    </Drawer>
  );
}

function Sides({ theirs, draft }: { theirs: PolicySetText; draft: PolicyDraft }): ReactNode {
  return changesBetween(theirs.files, draft.files).map(({ name, before, after }) => (
    <section key={name} className={styles['change']} aria-label={`${name}: theirs and mine`}>
      <h3 className={styles['changeName']}>
        <code>{name}</code> <span className={styles['muted']}>theirs · mine</span>
      </h3>
      <Diff label={`${name}, theirs and mine`} before={before} after={after} language="cedar" sideBySide />
    </section>
  ));
}
