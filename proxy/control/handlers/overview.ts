import type { Overview } from '../../contract/api-console.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';

type Names = 'overview' | 'watchChanges' | 'readServiceLog' | 'maskingLedger';
type Ports = Pick<ControlPorts, 'clock' | 'read' | 'sessions' | 'history' | 'live' | 'serviceLogs'>;

const dayMs = 86_400_000;

export function overviewHandlers(ports: Ports): Pick<Handlers, Names> {
  const { clock, history, live, serviceLogs } = ports;
  return {
    overview: () => overviewOf(ports),
    watchChanges: ({ after }, { caller, signal }) => live.watch({ after, roles: caller.roles }, signal),
    readServiceLog: ({ part, lines }) => serviceLogs.read(part, lines),
    maskingLedger: async ({ days }) => {
      const rows = await history.ledger(clock.now() - (days - 1) * dayMs);
      return { rows: rows.map(({ latest, ...row }) => ({ ...row, lastAt: instantOf(latest) })) };
    },
  };
}

async function overviewOf({ read, sessions, history }: Ports): Promise<Overview> {
  const [hours, disk] = await Promise.all([history.hours(), history.disk()]);
  return {
    hours: hours.map(({ from, ...counts }) => ({ from: instantOf(from), ...counts })),
    waitingRequests: read.requests.countPending(),
    liveSessions: sessions.list().length,
    unreviewedBreakGlass: read.grants.all().filter(({ request, review }) => request === null && review === null).length,
    lastWitness: lastWitness(read),
    disk: { freeBytes: disk.freeBytes, usedBytes: disk.usedBytes, fullAt: disk.fullAt === null ? null : instantOf(disk.fullAt) },
  };
}

function lastWitness({ witnesses }: Ports['read']): Overview['lastWitness'] {
  const cosigned = witnesses.all().flatMap(({ name, last }) => (last === null ? [] : [{ name, at: last.at, size: last.size }]));
  return cosigned.sort((a, b) => (a.at < b.at ? 1 : -1))[0] ?? null;
}

function instantOf(millis: number): string {
  return new Date(millis).toISOString();
}
