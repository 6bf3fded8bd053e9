import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { bytes } from '../overview/numbers.tsx';

/** Numbers that say how long it goes on like this. */
export function Around(): ReactNode {
  const status = useCall('status', {});
  const overview = useCall('overview', {});
  const disk = overview.data?.disk;
  return (
    <Section title="Installation">
      <Loaded call={status} lines={5}>
        {({ version, startedAt, log, listeners }) => (
          <Facts
            items={[
              ['Version', version],
              ['Started', <Time key="started" at={startedAt} />],
              ['Callers connect at', listeners.map(({ protocol, host, port }) => `${protocol} ${host}:${port}`).join(', ')],
              ['Log', <Copyable key="log" text={log.origin} label="Copy origin of the log" />],
              ['Events', log.size.toLocaleString('en-GB')],
              ['Disk', disk && `${bytes(disk.freeBytes)} free, ${bytes(disk.usedBytes)} used`],
              ['Disk is full', disk && (disk.fullAt === null ? 'No end in sight at the growth of the last day' : <Time key="full" at={disk.fullAt} />)],
            ]}
          />
        )}
      </Loaded>
    </Section>
  );
}
