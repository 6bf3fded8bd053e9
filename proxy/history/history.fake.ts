import type { HistoryEntry } from './projection.ts';

/** Small repeatable random numbers: mulberry32. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function letters(number: number): string {
  return Array.from({ length: 8 }, (_, place) => String.fromCharCode(97 + (Math.floor(number / 7 ** place) % 26))).join('');
}

const firstAt = Date.parse('2026-03-01T00:00:00.000Z');

/** A log such as gateways and control would write: sessions that overlap, refusals, masking, changes, a clock that goes back. */
export function generatedLog(count: number, seed: number): HistoryEntry[] {
  const next = random(seed);
  const pick = <T>(of: readonly [T, ...T[]]): T => of[Math.floor(next() * of.length)] ?? of[0];
  const open: { id: string; name: string; resource: string; seq: number }[] = [];
  let at = firstAt;
  let sessions = 0;
  // eslint-disable-next-line complexity -- a table of what may happen
  return Array.from({ length: count }, (_, index) => {
    at += index % 5_000 === 4_999 ? -1_800_000 : Math.floor(next() * 4_000);
    const common = { v: 1, at: new Date(at).toISOString(), origin: '10.0.0.1' };
    const actor = (name: string) => ({ issuer: 'postern', subject: `svc_${name}`, name, kind: 'service-account', credential: 'none' });
    const chance = next();
    const entry = (header: object): HistoryEntry => ({ index, header: JSON.stringify({ ...common, ...header }) });
    if (open.length === 0 || (chance < 0.03 && open.length < 20)) {
      const session = {
        id: `ses_${letters(sessions++ * 31)}${letters(sessions)}`,
        name: pick(['ci', 'nightly', 'agent']),
        resource: pick(['payments', 'ledger']),
        seq: 0,
      };
      open.push(session);
      const where = { affected: session.resource, session: session.id, database: 'main', account: 'app' };
      return entry({ code: 'session.started', actor: actor(session.name), outcome: 'success', ...where });
    }
    const session = pick(open as [(typeof open)[0], ...typeof open]);
    const shared = { actor: actor(session.name), affected: session.resource, session: session.id };
    if (chance < 0.05) {
      open.splice(open.indexOf(session), 1);
      return entry({
        ...shared,
        code: 'session.ended',
        outcome: pick(['success', 'indeterminate']),
        seq: session.seq,
        reason: 'client left',
        digests: ['cm9vdA=='],
      });
    }
    if (chance < 0.1) {
      const by = { actor: actor('admin'), outcome: pick(['success', 'failure'] as const) };
      return entry({
        ...by,
        ...pick([
          { code: 'resource.updated', affected: 'resource:payments' },
          { code: 'policy.updated', affected: 'policy' },
        ] as const),
      });
    }
    const operation = `opr_${session.id.slice(4)}_${String(chance < 0.6 ? ++session.seq : session.seq)}`;
    const numbered = { ...shared, operation, seq: session.seq };
    const shadow = next() < 0.05 ? { shadow: pick(['refuse', 'hold']), shadowVersion: pick(['pol_one', 'pol_two']) } : {};
    if (chance < 0.15) return entry({ ...numbered, ...shadow, code: 'operation.refused', outcome: 'failure', error: 'ERR_ACCESS_DENIED' });
    if (chance < 0.18) return entry({ ...numbered, ...shadow, code: 'approval-request.created', outcome: 'pending', request: `req_${letters(index)}` });
    if (chance < 0.6) return entry({ ...numbered, ...shadow, code: 'operation.intended', outcome: 'pending' });
    const masked = next() < 0.3 ? { pan: Math.ceil(next() * 5), cvv: 1 } : {};
    return entry({ ...numbered, code: 'operation.settled', outcome: pick(['success', 'failure']), rows: 3, masked });
  });
}
