import type { RecordingEntry, SessionView } from '../../contract/api-views.ts';
import { asAppError, fail } from '../../contract/errors.ts';
import type { LiveSession } from '../../contract/snapshot.ts';
import type { PastSession } from '../../history/history.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf } from './paging.ts';

type Names = 'listSessions' | 'showSession' | 'killSession' | 'readRecording' | 'watchSession';
type Ports = Pick<ControlPorts, 'sessions' | 'history' | 'audit' | 'recordings' | 'mask' | 'state'>;

export function sessionHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...readHandlers(ports), ...watchHandlers(ports) };
}

function readHandlers(ports: Ports): Pick<Handlers, 'listSessions' | 'showSession' | 'killSession'> {
  const { sessions, mask } = ports;
  return {
    listSessions: async ({ state, principal, resource, limit, cursor }) => {
      const filter = { principal, resource };
      const place = placeOf(cursor, state);
      if (place.of === 'ended') return pastPage(filter, { limit, before: place.before }, ports);
      const live = livePage(filter, { limit, after: place.after }, ports);
      if (live.next !== null || state === 'live') return live;
      // the live ones come first; what is left of the page is for those that ended
      const room = limit - live.items.length;
      if (room === 0) return { items: live.items, next: fromNewest };
      const past = await pastPage(filter, { limit: room, before: Number.MAX_SAFE_INTEGER }, ports);
      return { items: [...live.items, ...past.items], next: past.next };
    },
    showSession: ({ id }) => show(id, ports),
    killSession: async ({ id, reason: said }, { record }) => {
      const reason = mask(said);
      const session = sessions.list().find((candidate) => candidate.id === id);
      if (!session) throw fail('ERR_NOT_FOUND', { message: `There is no live session ${id}.` });
      await record('session.killed', { affected: session.resource, session: id, reason });
      if (!(await sessions.kill(id, reason))) throw fail('ERR_NOT_FOUND', { message: 'The session has ended meanwhile.' });
      return { done: true };
    },
  };
}

function watchHandlers(ports: Ports): Pick<Handlers, 'readRecording' | 'watchSession'> {
  const { audit, recordings } = ports;
  return {
    readRecording: async ({ id }, { record, signal }) => {
      const session = await show(id, ports);
      const entries = await recordings.read(id, signal).catch((error: unknown) => {
        // the first seconds of a session are not stored yet
        if (session.state === 'live' && asAppError(error).code === 'ERR_NOT_FOUND') return nothing();
        throw error;
      });
      await record('recording.viewed', { affected: session.resource, session: id });
      return entries;
    },
    watchSession: async ({ id, after }, { record, signal }) => {
      const session = await show(id, ports);
      await record('recording.viewed', { affected: session.resource, session: id, reason: 'live' });
      return numbered(audit.watch(id, after ?? null, signal));
    },
  };
}

async function* numbered<T extends { readonly index: number }>(events: AsyncIterable<T>): AsyncGenerator<{ id: number; event: T }> {
  for await (const event of events) yield { id: event.index, event };
}

// eslint-disable-next-line @typescript-eslint/require-await -- an empty stream
async function* nothing(): AsyncGenerator<RecordingEntry> {
  yield* [];
}

/** Where a page begins: among the live sessions (the newest ones first), or among those that ended. */
type Place = { readonly of: 'live'; readonly after: string | null } | { readonly of: 'ended'; readonly before: number };

const fromNewest = 'ended';

function placeOf(cursor: string | undefined, state: SessionView['state'] | undefined): Place {
  if (cursor === undefined) return state === 'ended' ? { of: 'ended', before: Number.MAX_SAFE_INTEGER } : { of: 'live', after: null };
  const [, after] = /^live (\S{1,40} ses_[a-zA-Z]{1,40})$/.exec(cursor) ?? [];
  if (after !== undefined) return { of: 'live', after };
  return { of: 'ended', before: cursor === fromNewest ? Number.MAX_SAFE_INTEGER : (indexOf(cursor) ?? 0) };
}

interface SessionFilter {
  readonly principal: string | undefined;
  readonly resource: string | undefined;
}

interface SessionPage {
  items: SessionView[];
  next: string | null;
}

function livePage({ principal, resource }: SessionFilter, { limit, after }: { limit: number; after: string | null }, ports: Ports): SessionPage {
  const matching = ports.sessions
    .list()
    .filter((session) => (principal === undefined || session.principal === principal) && (resource === undefined || session.resource === resource))
    .map((session) => ({ key: `${session.startedAt} ${session.id}`, session }))
    .filter(({ key }) => after === null || key < after)
    .sort((a, b) => (a.key < b.key ? 1 : -1));
  const shown = matching.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(({ session }) => liveView(session, ports)), next: matching.length > limit && last !== undefined ? `live ${last.key}` : null };
}

/** A session that is live now is none of these, whatever the log says of it so far. */
async function pastPage(filter: SessionFilter, page: { limit: number; before: number }, ports: Ports): Promise<SessionPage> {
  const { sessions, history } = ports;
  const items: SessionView[] = [];
  for (let { before } = page; ; ) {
    const rows = await history.sessions({ ...filter, before, limit: page.limit });
    const live = new Set(sessions.list().map(({ id }) => id));
    for (const row of rows) {
      before = row.started;
      if (!live.has(row.id)) items.push(pastView(row, ports));
      if (items.length === page.limit) return { items, next: String(before) };
    }
    if (rows.length < page.limit) return { items, next: null };
  }
}

async function show(id: string, ports: Ports): Promise<SessionView> {
  const live = ports.sessions.list().find((session) => session.id === id);
  if (live) return liveView(live, ports);
  const past = await ports.history.session(id);
  if (past === null) throw fail('ERR_NOT_FOUND', { message: `There is no session ${id}.` });
  return pastView(past, ports);
}

function liveView({ gateway: _, ...session }: LiveSession, ports: Ports): SessionView {
  return { ...session, ...protocolOf(session, ports), state: 'live', endedAt: null, reason: null, recordingRoot: null };
}

function pastView({ started: _, ...session }: PastSession, ports: Ports): SessionView {
  return { ...session, ...protocolOf(session, ports), state: 'ended' };
}

function protocolOf({ resource }: { readonly resource: string }, { state }: Ports): Pick<SessionView, 'protocol'> {
  const protocol = state.snapshot().resources.find(({ name }) => name === resource)?.protocol;
  return protocol === undefined ? {} : { protocol };
}
