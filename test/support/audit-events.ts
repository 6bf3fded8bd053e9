import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Appliance } from './appliance.ts';

/** An event as the control API gives it. */
export interface AuditEvent {
  readonly index: number;
  readonly header: Readonly<Record<string, unknown>>;
  readonly body: string | null;
}

const pageSize = 1_000;

/** Every event with its body, oldest first. */
export async function allEvents(appliance: Appliance): Promise<AuditEvent[]> {
  const events: AuditEvent[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: AuditEvent[]; next: string | null } = await askControl(
      appliance,
      `/v1/audit/events?limit=${String(pageSize)}${cursor === '' ? '' : `&cursor=${cursor}`}`,
    );
    events.push(...page.items);
    cursor = page.next;
  }
  return events.reverse();
}

/** the log waits this long for processes to come back, then closes what they left open */
const graceMs = 10_000;
const settledMs = 15_000;
const pollMs = 500;

/** The log once everything that was open has its end; as it is when it had time enough. A long log takes a while to read: its end is read first. */
export async function settledEvents(appliance: Appliance): Promise<AuditEvent[]> {
  for (const from = Date.now(); ; ) {
    const began = Date.now();
    const events = await allEvents(appliance);
    const { open, unended } = findingsOf(events);
    if ((open.length === 0 && unended.length === 0) || began - from > graceMs + settledMs) return events;
    await sleep(pollMs);
  }
}

/** GET of the control API, as the administrator. `T` is what the API promises for the path. */
export async function askControl<T>(appliance: Appliance, path: string): Promise<T> {
  return JSON.parse(await readControl(appliance, path)) as T;
}

/** The same, as it comes: a stream is one JSON text a line. */
export function readControl(appliance: Appliance, path: string): Promise<string> {
  const headers = { authorization: `Bearer ${readFileSync(join(appliance.dir, 'admin.token'), 'utf8').trim()}` };
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, appliance.controlUrl), { ca: readFileSync(appliance.caFile), headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${path}: ${String(response.statusCode)} ${text}`));
      });
    });
    asked.once('error', reject);
    asked.end();
  });
}

/** What an auditor counts over a log. Every list is empty in a good one. */
export interface LogFindings {
  readonly intents: number;
  /** operations with an intent and no outcome */
  readonly open: readonly string[];
  /** sessions whose operations are not numbered 1, 2, 3, … */
  readonly gaps: readonly string[];
  /** sessions that began and never ended */
  readonly unended: readonly string[];
  readonly outcomes: Readonly<Record<string, number>>;
}

export function findingsOf(events: readonly AuditEvent[]): LogFindings {
  const intended = new Set<string>();
  const settled = new Set<string>();
  const sequences = new Map<string, number[]>();
  const live = new Set<string>();
  const outcomes: Record<string, number> = {};
  for (const { header } of events) {
    const { code, session, operation, seq, outcome } = header;
    if (code === 'operation.intended') intended.add(String(operation));
    if (code === 'operation.settled') {
      settled.add(String(operation));
      outcomes[String(outcome)] = (outcomes[String(outcome)] ?? 0) + 1;
    }
    if (code === 'session.started') live.add(String(session));
    if (code === 'session.ended') live.delete(String(session));
    if (code === 'operation.intended' || code === 'operation.refused') {
      const list = sequences.get(String(session)) ?? [];
      list.push(Number(seq));
      sequences.set(String(session), list);
    }
  }
  const gaps = [...sequences].filter(([, numbers]) => numbers.sort((a, b) => a - b).some((number, at) => number !== at + 1)).map(([session]) => session);
  return { intents: intended.size, open: [...intended].filter((id) => !settled.has(id)), gaps, unended: [...live], outcomes };
}

/** Those of `ids` (words joined by dashes) that no intent names. */
export function withoutIntent(events: readonly AuditEvent[], ids: readonly string[]): string[] {
  const named = operationsOf(events);
  return ids.filter((id) => !named.has(id));
}

/** Those of `ids` whose operation the log says has failed: wrong for a row that is there. */
export function saidToHaveFailed(events: readonly AuditEvent[], ids: readonly string[]): string[] {
  const failed = new Set(
    events.filter(({ header }) => header['code'] === 'operation.settled' && header['outcome'] === 'failure').map(({ header }) => String(header['operation'])),
  );
  const named = operationsOf(events);
  return ids.filter((id) => failed.has(named.get(id) ?? ''));
}

/** Every id that stands in an intent, with its operation. */
function operationsOf(events: readonly AuditEvent[]): Map<string, string> {
  const intents = events.filter(({ header }) => header['code'] === 'operation.intended');
  return new Map(
    intents.flatMap(({ header, body }) => (body ?? '').match(/[a-z]+(?:-[a-z]+)+/g)?.map((id) => [id, String(header['operation'])] as const) ?? []),
  );
}
