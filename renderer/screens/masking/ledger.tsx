import { EyeOff } from 'lucide-react';
import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { barOf, ruleWords, totalOf, type LedgerRow } from './ledger-rows.ts';
import styles from './masking.module.css';

export const periods = ['7', '30', '90'] as const;
export type Period = (typeof periods)[number];
const options = periods.map((value) => ({ value, label: `${value} days` }));
const number = new Intl.NumberFormat('en-GB');

/** How many values each rule hid, from the log. */
export function Ledger({ period, onPeriod }: { period: Period; onPeriod: (period: Period) => void }): ReactNode {
  const call = useCall('maskingLedger', { days: Number(period) }, { keep: true });
  const rows = (call.data?.rows ?? []).toSorted((a, b) => b.values - a.values);
  const { values, rules } = totalOf(rows);
  const most = rows[0]?.values ?? 0;
  return (
    <>
      <Toolbar
        end={
          <span className={styles['muted']} role="status">
            {call.data && `${number.format(values)} values hidden by ${rules === 1 ? '1 rule' : `${number.format(rules)} rules`}`}
          </span>
        }
      >
        <Select inline label="Last" value={period} onChange={onPeriod} options={options} />
      </Toolbar>
      <DataTable
        label="Masking ledger"
        columns={columnsOf(most)}
        rows={rows}
        idOf={({ rule, resource }) => JSON.stringify([rule, resource])}
        loading={call.loading}
        fault={call.fault}
        again={call.again}
        empty={
          <Empty title={`Nothing was masked in the last ${period} days`} icon={EyeOff}>
            The detector saw no card data in replies, and no tagged column was read. It says what it saw, not that there is none.
          </Empty>
        }
      />
    </>
  );
}

function columnsOf(most: number): readonly Column<LedgerRow>[] {
  return [
    {
      id: 'rule',
      title: 'Rule',
      width: 'minmax(220px, 1.6fr)',
      sortBy: ({ rule }) => rule,
      cell: ({ rule }) => <span title={rule}>{ruleWords(rule)}</span>,
    },
    { id: 'resource', title: 'Resource', width: 'minmax(120px, 1fr)', mono: true, sortBy: ({ resource }) => resource, cell: ({ resource }) => resource },
    {
      id: 'bar',
      title: '',
      width: 'minmax(120px, 1.2fr)',
      // the number stands beside it
      cell: ({ values }) => (
        <span className={styles['bar']} aria-hidden>
          <span style={{ width: `${barOf(values, most)}%` }} />
        </span>
      ),
    },
    { id: 'values', title: 'Values hidden', width: '116px', align: 'end', sortBy: ({ values }) => values, cell: ({ values }) => number.format(values) },
    {
      id: 'operations',
      title: 'Commands',
      width: '96px',
      align: 'end',
      sortBy: ({ operations }) => operations,
      cell: ({ operations }) => number.format(operations),
    },
    { id: 'last', title: 'Last', width: '132px', sortBy: ({ lastAt }) => lastAt, cell: ({ lastAt }) => <Time at={lastAt} /> },
  ];
}
