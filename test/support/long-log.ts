import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { encodeEvent, parseChunk, type EncodedEvent } from '../../proxy/audit/entry.ts';
import { event } from '../../proxy/audit/event.ts';
import { logSigner } from '../../proxy/audit/hashing.ts';
import { AuditLog } from '../../proxy/audit/log.ts';
import type { EventHeader, Phase } from '../../proxy/contract/audit-event.ts';
import { newId } from '../../proxy/lib/ids.ts';
import { openVaultOf } from '../../proxy/processes/control-vault.ts';
import { layoutOf } from '../../proxy/processes/layout.ts';
import { openAppliance } from '../../proxy/store/appliance.ts';
import { positionOf } from '../../proxy/store/position.ts';
import { openState } from '../../proxy/store/state.ts';

/** What stands in a log that `lengthen` wrote. */
export interface Written {
  /** oldest first */
  readonly sessions: readonly string[];
  readonly principals: readonly string[];
  readonly resources: readonly string[];
  /** milliseconds since the epoch */
  readonly firstAt: number;
  readonly lastAt: number;
  /** events of a code */
  readonly codes: ReadonlyMap<string, number>;
  /** values hidden by all rules */
  readonly masked: number;
  readonly refused: number;
  /** events a second with which it was written */
  readonly perSecond: number;
}

export interface Size {
  readonly events: number;
  /** at least four events each */
  readonly sessions: number;
}

interface Made {
  readonly fields: Omit<EventHeader, 'v' | 'body' | 'at'>;
  readonly phase: Phase;
  readonly body?: string;
}

const openAtOnce = 20;
/** of one commit, as of a busy gateway */
const chunkEvents = 250;
const aheadEvents = 500;
const daysBack = 30;

const principals = Array.from({ length: 50 }, (_, number) => `account-${word(number)}`);
const resources = Array.from({ length: 20 }, (_, number) => `database-${word(number)}`);

/**
 * Writes sessions, some at a time, into the log of a stopped service: with its own keys and its own writer. The state is told that none of
 * them is its business, as control does every minute.
 */
export async function lengthen(dir: string, size: Size): Promise<Written> {
  const layout = layoutOf(dir);
  const vault = await openVaultOf(layout.vault, { from: 'key-file', path: join(layout.keys, 'vault.key') }, false);
  const bodyKey = new Uint8Array(vault.derive('audit-body').reveal());
  await vault.close();
  const { origin } = (await openAppliance(layout.appliance, () => unreachable())).read();
  const seed = Buffer.from(readFileSync(join(layout.keys, 'log.key'), 'utf8').trim(), 'base64');
  const log = await AuditLog.open({ directory: layout.audit, signer: logSigner(seed, origin), bodyKey });
  const from = performance.now();
  const written = await fill(log, size);
  const state = openState(layout.state);
  state.passTo(positionOf(log.size - 1));
  state.close();
  await log.stop();
  return { ...written, perSecond: (size.events * 1000) / (performance.now() - from) };
}

async function fill(log: AuditLog, { events, sessions: count }: Size): Promise<Omit<Written, 'perSecond'>> {
  const lastAt = Date.now() - 60_000;
  const firstAt = lastAt - daysBack * 86_400_000;
  const sessions: string[] = [];
  const codes = new Map<string, number>();
  let masked = 0;
  let ticket = 0;
  let chunk: EncodedEvent[] = [];
  const client = `lengthening-${newId('gwy')}`;
  const start = log.size;
  const submit = async (): Promise<void> => {
    const bodies = chunk.flatMap(({ body }, ordinal) => (body === null ? [] : [withOrdinal(body, ordinal)]));
    const parsed = parseChunk(client, Buffer.concat(chunk.map(({ entry }) => entry)), Buffer.concat(bodies));
    if (parsed === null || !log.submit(parsed)) throw new Error('the log took no more');
    chunk = [];
    await log.grown(start + ticket - aheadEvents, AbortSignal.timeout(30_000));
  };
  for (const { fields, phase, body } of mixed({ count, each: Math.ceil(events / count) }, sessions)) {
    if (ticket === events) break;
    const at = new Date(firstAt + Math.floor(((lastAt - firstAt) * ticket) / events)).toISOString();
    const { header, body: salted } = event({ ...fields, at }, body);
    chunk.push(encodeEvent(++ticket, header, phase, salted));
    codes.set(fields.code, (codes.get(fields.code) ?? 0) + 1);
    for (const values of Object.values(fields.masked ?? {})) masked += values;
    if (chunk.length === chunkEvents) await submit();
  }
  if (chunk.length > 0) await submit();
  await log.sync();
  return { sessions, principals, resources, firstAt, lastAt, codes, masked, refused: codes.get('operation.refused') ?? 0 };
}

/** Sessions that overlap. */
function* mixed({ count, each }: { count: number; each: number }, ids: string[]): Generator<Made> {
  for (let first = 0; first < count; first += openAtOnce) {
    const open = Array.from({ length: Math.min(openAtOnce, count - first) }, (_, place) => {
      const id = newId('ses');
      ids.push(id);
      return eventsOf(first + place, id, each);
    });
    for (let step = 0; step < each; step++) {
      for (const session of open) {
        const { value } = session.next();
        if (value !== undefined) yield value;
      }
    }
  }
}

/** Exactly `each`: its beginning, operations of two events, refusals of one, its end. */
function* eventsOf(number: number, session: string, each: number): Generator<Made, undefined> {
  const name = principals[number % principals.length] ?? '';
  const affected = resources[(number * 7) % resources.length] ?? '';
  const actor = { issuer: 'postern', subject: `svc_${name.replace('-', '')}`, name, kind: 'service-account', credential: 'tok_long' } as const;
  const shared = { actor, origin: `10.0.${String(number % 16)}.${String(number % 250)}`, affected, session };
  const target = { account: 'app', database: 'main' };
  yield { fields: { ...shared, ...target, code: 'session.started', outcome: 'success' }, phase: { kind: 'open', scope: 'session', id: session, session } };
  let seq = 0;
  for (let left = each - 2; left > 0; ) {
    const operation = `opr_${session.slice('ses_'.length)}_${String(++seq)}`;
    const phase = { scope: 'operation', id: operation, session } as const;
    const statement = `select id, customer, total, note from orders where id = ${String(number * 131 + seq)} and state = 'open'`;
    const decided = { acts: ['sql:select public.orders'], policies: ['readers'], policyVersion: 'pol_abcdefghij' };
    if ((number + seq) % 25 === 0 || left === 1) {
      const fields = { ...shared, ...target, ...decided, code: 'operation.refused', outcome: 'failure', operation, seq, error: 'ERR_ACCESS_DENIED' } as const;
      yield { fields, phase: { kind: 'plain' }, body: statement };
      left -= 1;
      continue;
    }
    const intended = { ...shared, ...target, ...decided, code: 'operation.intended', outcome: 'pending', operation, seq } as const;
    yield { fields: intended, phase: { kind: 'open', ...phase }, body: statement };
    const counts = { rows: 5, bytes: 512, durationMicros: 900, masked: seq % 3 === 0 ? { pan: 2, cvv: 1 } : {} };
    yield { fields: { ...shared, ...counts, code: 'operation.settled', outcome: 'success', operation, seq }, phase: { kind: 'close', ...phase } };
    left -= 2;
  }
  const ended = { seq, reason: 'the client left', bytes: 9_000, count: 1, digests: [''] };
  yield { fields: { ...shared, ...ended, code: 'session.ended', outcome: 'success' }, phase: { kind: 'close', scope: 'session', id: session, session } };
  return undefined;
}

function withOrdinal(body: Buffer, ordinal: number): Buffer {
  body.writeUInt32BE(ordinal, 0);
  return body;
}

/** Letters only: digits could be taken for something to hide. */
function word(number: number): string {
  return String.fromCharCode(97 + Math.floor(number / 26), 97 + (number % 26));
}

function unreachable(): never {
  throw new Error('the service was never started here');
}
