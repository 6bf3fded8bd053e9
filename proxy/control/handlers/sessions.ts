import type { AuditEventView, SessionView } from '../../contract/api-views.ts';
import type { EventCode } from '../../contract/audit-event.ts';
import { fail } from '../../contract/errors.ts';
import type { LiveSession } from '../../contract/snapshot.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf } from './paging.ts';

type Names = 'listSessions' | 'showSession' | 'killSession' | 'readRecording';
type Ports = Pick<ControlPorts, 'sessions' | 'audit' | 'recordings'>;

export function sessionHandlers(ports: Ports): Pick<Handlers, Names> {
  const { sessions, audit, recordings } = ports;
  return {
    listSessions: async ({ state, principal, resource, limit, cursor }) => {
      const live =
        state === 'ended'
          ? []
          : sessions
              .list()
              .filter((session) => matches(session, principal, resource))
              .map(liveView);
      // the live ones come first, on the first page
      const first = cursor === undefined ? live.sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)) : [];
      if (state === 'live') return { items: first.slice(0, limit), next: null };
      const liveIds = new Set(sessions.list().map(({ id }) => id));
      const before = indexOf(cursor);
      const { past, next } = await history({ principal, resource }, { limit, before }, audit);
      return { items: [...first, ...past.filter(({ id }) => !liveIds.has(id))].slice(0, 1_000), next };
    },
    showSession: ({ id }) => show(id, ports),
    killSession: async ({ id, reason }, { record }) => {
      const session = sessions.list().find((candidate) => candidate.id === id);
      if (!session) throw fail('ERR_NOT_FOUND', { message: `There is no live session ${id}.` });
      await record('session.killed', { affected: session.resource, session: id, reason });
      if (!(await sessions.kill(id, reason))) throw fail('ERR_NOT_FOUND', { message: 'The session has ended meanwhile.' });
      return { done: true };
    },
    readRecording: async ({ id }, { record, signal }) => {
      const session = await show(id, ports);
      const entries = await recordings.read(id, signal);
      await record('recording.viewed', { affected: session.resource, session: id });
      return entries;
    },
  };
}

async function show(id: string, { sessions, audit }: Pick<Ports, 'sessions' | 'audit'>): Promise<SessionView> {
  const live = sessions.list().find((session) => session.id === id);
  if (live) return liveView(live);
  const events = await audit.search({ codes: bounds, session: id }, { limit: 2, before: null });
  const started = events.find(({ header }) => header['code'] === 'session.started');
  if (!started) throw fail('ERR_NOT_FOUND', { message: `There is no session ${id}.` });
  return endedView(
    started,
    events.find(({ header }) => header['code'] === 'session.ended'),
  );
}

const bounds: readonly EventCode[] = ['session.started', 'session.ended'];
const blockEvents = 200;

/** Sessions out of the log, newest first: an end is met before its beginning. */
async function history(
  filter: { principal: string | undefined; resource: string | undefined },
  page: { limit: number; before: number | null },
  audit: Ports['audit'],
): Promise<{ past: SessionView[]; next: string | null }> {
  const past: SessionView[] = [];
  const ends = new Map<string, AuditEventView>();
  let { before } = page;
  for (;;) {
    const events = await audit.search({ codes: bounds, ...filter }, { limit: blockEvents, before });
    for (const event of events) {
      before = event.index;
      const id = text(event.header, 'session');
      if (event.header['code'] === 'session.ended') {
        ends.set(id, event);
        continue;
      }
      past.push(endedView(event, ends.get(id) ?? (await endOf(id, page, audit))));
      ends.delete(id);
      if (past.length === page.limit) return { past, next: String(before) };
    }
    if (events.length < blockEvents) return { past, next: null };
  }
}

/** On a later page the end may stand above the cursor. */
async function endOf(id: string, page: { before: number | null }, audit: Ports['audit']): Promise<AuditEventView | undefined> {
  if (page.before === null) return undefined;
  return (await audit.search({ codes: ['session.ended'], session: id }, { limit: 1, before: null }))[0];
}

function matches(session: LiveSession, principal: string | undefined, resource: string | undefined): boolean {
  return (principal === undefined || session.principal === principal) && (resource === undefined || session.resource === resource);
}

function liveView({ gateway: _, ...session }: LiveSession): SessionView {
  return { ...session, state: 'live', endedAt: null, reason: null, recordingRoot: null };
}

function endedView(started: AuditEventView, ended: AuditEventView | undefined): SessionView {
  const id = text(started.header, 'session');
  const { actor } = started.header;
  const digests = ended?.header['digests'];
  const seq = ended?.header['seq'];
  return {
    id,
    state: 'ended',
    principal: typeof actor === 'object' && actor !== null && !Array.isArray(actor) ? text(actor, 'name') : '',
    resource: text(started.header, 'affected'),
    database: text(started.header, 'database'),
    account: text(started.header, 'account'),
    address: text(started.header, 'origin'),
    startedAt: text(started.header, 'at'),
    endedAt: ended ? text(ended.header, 'at') : null,
    operations: typeof seq === 'number' ? seq : 0,
    reason: ended ? text(ended.header, 'reason') : null,
    recordingRoot: Array.isArray(digests) && typeof digests[0] === 'string' ? digests[0] : null,
  };
}

function text(header: Readonly<Record<string, unknown>>, member: string): string {
  const value = header[member];
  return typeof value === 'string' ? value : '';
}
