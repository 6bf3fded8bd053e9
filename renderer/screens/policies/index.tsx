import { useEffect, type ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { setWork, useWork } from './draft-store.ts';
import { Editor } from './editor.tsx';
import { Explain } from './explain.tsx';
import { History } from './history.tsx';
import styles from './policies.module.css';
import { changesOf, draftOf, type PolicyDraft, type PolicySetText } from './policy-set.ts';
import { Shadow } from './shadow.tsx';
import { Tests } from './tests.tsx';

export interface PolicyScreen {
  readonly inForce: PolicySetText;
  readonly draft: PolicyDraft;
  readonly setDraft: (draft: PolicyDraft) => void;
  readonly readAgain: () => void;
}

/** `policies/edit/FILE/LINE`, `policies/explain/PRINCIPAL/RESOURCE`, `policies/tests/FILE`, `policies/shadow`, `policies/history/VERSION/OTHER`. */
export function Screen(): ReactNode {
  const call = useCall('getPolicies', {});
  return (
    <Page title="Policies" description="Cedar policies say who may connect and what each command may touch. What no policy permits is refused." filled>
      <Loaded call={call}>{(inForce) => <Open inForce={inForce} readAgain={call.again} />}</Loaded>
    </Page>
  );
}

function Open({ inForce, readAgain }: Pick<PolicyScreen, 'inForce' | 'readAgain'>): ReactNode {
  const { id } = useAppliance();
  const { path, replace } = usePlace();
  const { draft: kept } = useWork(id);
  // nothing was edited: what is in force now is what one sees
  const draft = kept === null || (kept.base.version !== inForce.version && changesOf(kept).length === 0) ? draftOf(inForce, kept?.open) : kept;
  useEffect(() => {
    if (draft !== kept) setWork(id, { draft });
  }, [draft, id, kept]);
  const screen: PolicyScreen = { inForce, draft, setDraft: (next) => setWork(id, { draft: next }), readAgain };
  const [tab = 'edit'] = path;
  return (
    <div className={styles['tabs']}>
      <Tabs
        label="Policies"
        selected={tab}
        onSelect={(next) => replace(next)}
        items={[
          { id: 'edit', label: 'Editor', content: <Editor {...screen} /> },
          { id: 'explain', label: 'Explain', content: <Explain {...screen} /> },
          { id: 'tests', label: 'Tests', content: <Tests {...screen} /> },
          { id: 'shadow', label: 'Shadow', content: <Shadow {...screen} /> },
          { id: 'history', label: 'History', content: <History {...screen} /> },
        ]}
      />
    </div>
  );
}
