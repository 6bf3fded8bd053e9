import type { ReactNode } from 'react';
import type { z } from 'zod';
import type { Overview } from '../../../proxy/contract/api-console.ts';
import { useCall } from '../../data/calls.ts';
import { BarChart } from '../../kit/bar-chart.tsx';
import { Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { relativeTime, Time, useNow } from '../../kit/time.tsx';
import styles from './overview.module.css';

type OverviewData = z.infer<typeof Overview>;

/** The last 24 hours. */
export function Numbers(): ReactNode {
  const overview = useCall('overview', {});
  return (
    <Section title="Last 24 hours">
      <Loaded call={overview} lines={4}>
        {(data) => (
          <>
            <Figures data={data} />
            <Charts data={data} />
          </>
        )}
      </Loaded>
    </Section>
  );
}

function Figures({ data: { liveSessions, lastWitness, disk } }: { data: OverviewData }): ReactNode {
  const now = useNow();
  return (
    <dl className={styles['numbers']}>
      <Figure name="Live sessions" value={liveSessions}>
        through this gateway now
      </Figure>
      <Figure name="Last witness" value={lastWitness === null ? 'None yet' : relativeTime(lastWitness.at, now)}>
        {lastWitness === null ? (
          'nobody has cosigned the log'
        ) : (
          <>
            {lastWitness.name}, <Time at={lastWitness.at} exact />, {lastWitness.size.toLocaleString('en-GB')} events
          </>
        )}
      </Figure>
      <Figure name="Disk" value={`${bytes(disk.freeBytes)} free`}>
        {bytes(disk.usedBytes)} used;{' '}
        {disk.fullAt === null ? 'no end in sight at the present growth' : `full ${relativeTime(disk.fullAt, now)} at the present growth`}
      </Figure>
    </dl>
  );
}

function Figure({ name, value, children }: { name: string; value: ReactNode; children: ReactNode }): ReactNode {
  return (
    <div className={styles['number']}>
      <dt>{name}</dt>
      <dd>{value}</dd>
      <dd className={styles['sub']}>{children}</dd>
    </div>
  );
}

function Charts({ data: { hours } }: { data: OverviewData }): ReactNode {
  const label = (from: string): string => new Date(from).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return (
    <div className={styles['charts']}>
      <div>
        <h3 className={styles['chartTitle']}>Decisions per hour</h3>
        <BarChart
          label="Decisions per hour"
          series={['Permitted', 'Refused', 'Held']}
          bars={hours.map(({ from, permitted, refused, held }) => ({ label: label(from), values: [permitted, refused, held] }))}
        />
      </div>
      <div>
        <h3 className={styles['chartTitle']}>Masked values per hour</h3>
        <BarChart label="Masked values per hour" series={['Masked']} bars={hours.map(({ from, masked }) => ({ label: label(from), values: [masked] }))} />
      </div>
    </div>
  );
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** “12.4 GiB” */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1_024 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power] ?? 'B'}`;
}
