import { Plus, Workflow } from 'lucide-react';
import type { ReactNode } from 'react';
import type { TrustRule } from '../../../proxy/contract/trust-rule.ts';
import type { Pages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { State } from '../../kit/badge.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Page } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { platforms } from './platforms.ts';
import { conditionText } from './rule-form.ts';
import { RuleDrawer } from './rule-drawer.tsx';
import { useAccountNames } from './use-account-names.ts';

export function RuleList({ pages }: { pages: Pages<TrustRule> }): ReactNode {
  const { path, open, replace } = usePlace();
  const need = useNeed('administrator');
  const nameOf = useAccountNames();
  const add = (
    <ActionButton variant="primary" reason={need} onPress={() => open('~add')}>
      <Plus size={14} aria-hidden />
      Add trust rule
    </ActionButton>
  );
  return (
    <Page
      title="Workloads"
      description="Pipelines and clients that come with their own token: which tokens are believed, and as which service account their bearer comes."
      actions={add}
      filled
    >
      <DataTable
        label="Trust rules"
        columns={columnsOf(nameOf)}
        rows={pages.items}
        idOf={({ id }) => id}
        onOpen={({ name }) => open(name)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        empty={
          <Empty title="No workload is trusted yet" icon={Workflow} actions={need === undefined && add}>
            A trust rule lets jobs of GitHub Actions or GitLab CI, pods of Kubernetes or clients with a key of their own come as a service account. Nothing
            secret is stored in the pipeline, and each event names the run.
          </Empty>
        }
      />
      {path[0] === '~add' && need === undefined && <RuleDrawer rule={null} account="" onClose={() => replace()} onDone={(name) => replace(name)} />}
    </Page>
  );
}

function columnsOf(nameOf: (id: string) => string): readonly Column<TrustRule>[] {
  return [
    { id: 'name', title: 'Name', width: 'minmax(140px, 1fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
    {
      id: 'state',
      title: 'State',
      width: '104px',
      cell: ({ disabled }) => <State of={disabled ? 'disabled' : 'enabled'} />,
      sortBy: ({ disabled }) => Number(disabled),
    },
    { id: 'platform', title: 'Platform', width: '160px', cell: ({ platform }) => platforms[platform].label, sortBy: ({ platform }) => platform },
    {
      id: 'account',
      title: 'Comes as',
      width: 'minmax(120px, 0.8fr)',
      mono: true,
      cell: (rule) => nameOf(rule.serviceAccount),
      sortBy: (rule) => nameOf(rule.serviceAccount),
    },
    { id: 'conditions', title: 'If', width: 'minmax(200px, 2fr)', mono: true, cell: (rule) => <Conditions rule={rule} /> },
    { id: 'changed', title: 'Changed', width: '112px', cell: ({ changedAt }) => <Time at={changedAt} />, sortBy: ({ changedAt }) => changedAt },
  ];
}

function Conditions({ rule: { conditions, platform, issuer } }: { rule: TrustRule }): ReactNode {
  const text = platform === 'client' ? `signed by ${issuer}` : conditions.map(conditionText).join(', and ');
  return <span title={text}>{text}</span>;
}
