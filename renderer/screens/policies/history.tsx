import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { useCall, usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty, Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { Changes } from './changes.tsx';
import type { PolicyScreen } from './index.tsx';
import styles from './policies.module.css';
import { changesBetween, changesOf, changesText, loaded, type PolicySetText } from './policy-set.ts';
import { comparable, otherOf, previousOf, shortVersion } from './versions.ts';

type Version = Output<'listPolicyVersions'>['items'][number];

/** Every set that was in force, with who and when; any two can be compared, and an old one loaded into the editor. */
export function History(screen: PolicyScreen): ReactNode {
  const { inForce } = screen;
  const { path, replace } = usePlace();
  const pages = usePages('listPolicyVersions', { limit: 100 });
  const [, chosen = pages.items[0]?.version ?? ''] = path;
  const columns: readonly Column<Version>[] = [
    { id: 'at', title: 'In force since', width: '120px', cell: ({ at }) => <Time at={at} /> },
    { id: 'by', title: 'By', width: 'minmax(80px, 1fr)', mono: true, cell: ({ by }) => by },
    { id: 'version', title: 'Version', width: '112px', mono: true, cell: ({ version }) => <span title={version}>{shortVersion(version)}</span> },
    { id: 'files', title: 'Files', width: '52px', align: 'end', cell: ({ files }) => files },
  ];
  return (
    <div className={styles['history']}>
      <DataTable
        label="Policy versions"
        columns={columns}
        rows={pages.items}
        idOf={({ index }) => String(index)}
        selected={String(pages.items.find(({ version }) => version === chosen)?.index ?? '')}
        onOpen={({ version }) => replace('history', version)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={<Empty title="No policies were ever put in force">Save some in the editor; each save is a version.</Empty>}
      />
      {chosen !== '' && <Comparison key={chosen} {...screen} version={chosen} versions={pages.items} inForce={inForce} />}
    </div>
  );
}

function Comparison({ version, versions, ...screen }: PolicyScreen & { version: string; versions: readonly Version[] }): ReactNode {
  const { path, replace } = usePlace();
  const other = otherOf(path[2], previousOf(versions, version));
  const here = useCall('getPolicyVersion', { version });
  const there = useCall('getPolicyVersion', { version: other }, { enabled: other.startsWith('pol_') });
  const against = other === 'edited' ? { version: 'edited', files: screen.draft.files } : other === 'nothing' ? { version: 'nothing', files: [] } : there.data;
  return (
    <section className={styles['scroll']} aria-label="Comparison" tabIndex={0}>
      <div className={styles['bar']}>
        <code title={version}>{shortVersion(version)}</code>
        <CopyButton text={version} label="Copy version" />
        {version === screen.inForce.version && <Badge tone="good">In force</Badge>}
        <span className={styles['spacer']} />
        <Select label="Against" inline value={other} onChange={(next) => replace('history', version, next)} options={comparable(versions, version)} />
        {here.data && <LoadButton {...screen} set={here.data} />}
      </div>
      <Loaded call={here}>
        {(set) => {
          if (against === undefined) return <Loaded call={there}>{() => null}</Loaded>;
          const changes = changesBetween(against.files, set.files);
          return changes.length === 0 ? <Empty title="No difference">Both have the same files with the same text.</Empty> : <ChangedFiles changes={changes} />;
        }}
      </Loaded>
    </section>
  );
}

function ChangedFiles({ changes }: { changes: ReturnType<typeof changesBetween> }): ReactNode {
  return (
    <>
      <p className={styles['muted']}>{changesText(changes)}</p>
      <Changes of={changes} />
    </>
  );
}

function LoadButton({ draft, setDraft, set }: PolicyScreen & { set: PolicySetText }): ReactNode {
  const { open } = usePlace();
  const [asked, setAsked] = useState(false);
  const load = (): void => {
    setDraft(loaded(draft, set.files));
    open('edit');
  };
  const changes = changesOf(draft);
  return (
    <>
      <Button onPress={() => (changes.length === 0 ? load() : setAsked(true))}>Load into editor</Button>
      <Confirm title="Replace what you are editing?" action="Load into editor" open={asked} onClose={() => setAsked(false)} onConfirm={load}>
        The editor has unsaved changes ({changesText(changes)}); they are lost. Nothing is put in force by loading.
      </Confirm>
    </>
  );
}
