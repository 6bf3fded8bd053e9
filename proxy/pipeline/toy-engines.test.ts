import { describe, expect, it } from 'vitest';
import { caller, facts, MemoryAudit, memoryPorts } from '../../test/support/memory-ports.ts';
import { Secret } from '../lib/secret.ts';
import type { Admission, Permit, Session, Walker } from './engine.ts';
import { Pipeline } from './pipeline.ts';
import type { ApprovalOutcome, ApprovalPort } from './ports.ts';

const limits = { maxHandshakeBytes: 1024, maxMessageBytes: 1024, handshakeTimeoutMs: 1000, highWaterBytes: 4096 };
const everything: Walker = (chunk, visit) => {
  visit(0, 0, chunk.length);
};
const shape = { columns: [] };

async function opened(approval?: ApprovalPort): Promise<{ session: Session; audit: MemoryAudit; sent: string[]; recorded: string[]; pipeline: Pipeline }> {
  const audit = new MemoryAudit();
  const ports = memoryPorts(audit, approval);
  const pipeline = new Pipeline(ports, { gateway: 'gwy_toy', limits, clock: { now: () => 0 }, digestKey: new Secret(new Uint8Array(32)) });
  const sent: string[] = [];
  const sink = {
    write: (bytes: Uint8Array): true => {
      sent.push(Buffer.from(bytes).toString());
      return true;
    },
  };
  const gate = pipeline.gate({ protocols: ['postgres'], address: '127.0.0.1', pinned: null, tls: null, names: [] });
  const session = await gate.open(caller, { database: 'toy', applicationName: '' }, sink);
  audit.automatic = false;
  return { session, audit, sent, recorded: ports.recorded, pipeline };
}

function command(text: string, effect: 'read' | 'write' | 'unknown' = 'read', within?: Permit): Parameters<Session['submit']>[0] {
  return {
    by: 'client',
    facts: facts(text, effect),
    exact: [Buffer.from(text)],
    shown: () => [{ kind: 'text', text }],
    ...(within === undefined ? {} : { within }),
  };
}

function permitOf(admission: Admission | Promise<Admission>): Permit {
  if (admission instanceof Promise || admission.verdict !== 'forward') throw new Error('expected a permit at once');
  return admission.permit;
}

function forwarded(permit: Permit): string {
  return Buffer.concat(permit.spend()).toString();
}

describe('a pipelined engine', () => {
  it('forwards reads at once and lets no byte of a reply out before its intent is durable', async () => {
    const { session, audit, sent } = await opened();
    const first = permitOf(session.submit(command('a')));
    const second = permitOf(session.submit(command('b')));
    expect([first.forwardable, second.forwardable, forwarded(first), forwarded(second)]).toEqual([true, true, 'a', 'b']);
    const row = Buffer.from('rows');
    void first.release(first.masker(shape).rows(row, everything));
    row.fill(0x21);
    void session.reply(Buffer.from('done'));
    expect(sent).toEqual([]);
    audit.sync(audit.events.length - 1);
    expect(sent).toEqual(['****']);
    audit.sync();
    expect(sent).toEqual(['****', 'done']);
  });

  it('keeps the order of replies when a refused command stands between two others', async () => {
    const { session, audit, sent } = await opened();
    const before = permitOf(session.submit(command('a')));
    const refused = session.submit(command('forbidden'));
    expect(refused).toMatchObject({ verdict: 'refused', denial: { code: 'ERR_ACCESS_DENIED', hint: 'ask' } });
    void before.release(before.masker(shape).rows(Buffer.from('x'), everything));
    void session.reply(Buffer.from('refused'));
    audit.sync();
    expect(sent.join('')).toBe('*refused');
    expect(audit.codes().slice(-2)).toEqual(['operation.intended', 'operation.refused']);
  });

  it('makes a write wait for its intent and gives its bytes once', async () => {
    const { session, audit } = await opened();
    const bytes = Buffer.from('write');
    const permit = permitOf(session.submit({ ...command('w', 'write'), exact: [bytes] }));
    expect(permit.forwardable).toBeInstanceOf(Promise);
    bytes.fill(0);
    audit.sync();
    await permit.forwardable;
    expect(forwarded(permit)).toBe('write');
    expect(() => permit.spend()).toThrow(expect.objectContaining({ code: 'ERR_PERMIT_SPENT' }) as Error);
  });

  it('forwards nothing when the audit log cannot be written', async () => {
    const { session, audit, sent } = await opened();
    const write = permitOf(session.submit(command('w', 'unknown')));
    const read = permitOf(session.submit(command('r')));
    void read.release(read.masker(shape).rows(Buffer.from('x'), everything));
    audit.lose();
    await expect(write.forwardable).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
    expect(sent).toEqual([]);
    expect(session.ended.aborted).toBe(true);
  });
});

describe('a bidirectional engine', () => {
  it('records what the client sends inside an operation, as part of that operation', async () => {
    const { session, audit, recorded } = await opened();
    const copy = permitOf(session.submit(command('copy', 'write')));
    audit.sync();
    await copy.forwardable;
    expect(copy.input(Buffer.from('line'))).toBe(true);
    void copy.release(copy.masker(shape).rows(Buffer.from('out'), everything));
    expect(recorded.slice(-2)).toEqual([`frames ${copy.operation} line`, `frames ${copy.operation} ***`]);
  });
});

describe('an out-of-order engine', () => {
  it('settles each operation by itself, once, whatever the order', async () => {
    const { session, audit } = await opened();
    const [a, b] = [permitOf(session.submit(command('a'))), permitOf(session.submit(command('b')))];
    void b.release(b.masker(shape).rows(Buffer.from('bb'), everything));
    b.settle({ status: 'success', rows: 1 });
    a.settle({ status: 'failure', rows: 0, error: 'boom' });
    a.settle({ status: 'success', rows: 9 });
    const settled = audit.events.filter((event) => event['code'] === 'operation.settled');
    expect(settled).toMatchObject([
      { operation: b.operation, seq: 2, outcome: 'success', rows: 1, bytes: 2, masked: { toy: 1 } },
      { operation: a.operation, seq: 1, outcome: 'failure', error: 'boom' },
    ]);
    expect(settled).toHaveLength(2);
  });
});

describe('a target-initiated engine', () => {
  it('decides and records what the target begins', async () => {
    const { session, audit } = await opened();
    const notice = permitOf(session.submit({ ...command('notify'), by: 'target' }));
    expect(forwarded(notice)).toBe('notify');
    expect(session.submit({ ...command('forbidden call'), by: 'target' })).toMatchObject({ verdict: 'refused' });
    expect(audit.codes().slice(-2)).toEqual(['operation.intended', 'operation.refused']);
  });
});

describe('a holding engine', () => {
  function approvals(): { port: ApprovalPort; decide: (approved: boolean) => void; withdrawn: string[] } {
    const { promise, resolve } = Promise.withResolvers<ApprovalOutcome>();
    const withdrawn: string[] = [];
    const withdraw = (reason: string): void => {
      withdrawn.push(reason);
      resolve({ approved: false, why: reason });
    };
    const decide = (approved: boolean): void => {
      resolve(approved ? { approved } : { approved, why: 'no' });
    };
    const port: ApprovalPort = {
      hold: () => ({ request: 'req_a', decided: promise, withdraw }),
      claim: () => Promise.resolve({ request: 'req_a', approved: false }),
      whenDecided: () => Promise.resolve(),
      withdraw,
      recheck: () => undefined,
    };
    return { port, decide, withdrawn };
  }

  it('forwards exactly the held bytes after approval, and only once the intent is durable', async () => {
    const { port, decide } = approvals();
    const { session, audit } = await opened(port);
    const bytes = Buffer.from('held delete');
    const admission = await session.submit({ ...command('held', 'read'), exact: [bytes] });
    if (admission.verdict !== 'held') throw new Error('not held');
    bytes.fill(0);
    expect(audit.codes().at(-1)).toBe('session.started');
    decide(true);
    const permit = permitOf(await admission.decided);
    expect(permit.forwardable).toBeInstanceOf(Promise);
    audit.sync();
    await permit.forwardable;
    expect(forwarded(permit)).toBe('held delete');
  });

  it('never gives a permit after cancel, and records the refusal', async () => {
    const { port, withdrawn } = approvals();
    const { session, audit } = await opened(port);
    const admission = await session.submit(command('held'));
    if (admission.verdict !== 'held') throw new Error('not held');
    admission.withdraw('Ctrl-C');
    expect(await admission.decided).toMatchObject({ verdict: 'refused' });
    expect(withdrawn).toEqual(['Ctrl-C']);
    expect(audit.events.at(-1)).toMatchObject({ code: 'operation.refused', seq: 1 });
  });

  it('withdraws when the session is killed while it waits, even if the approval arrives at the same moment', async () => {
    const { port, decide, withdrawn } = approvals();
    const { session, pipeline } = await opened(port);
    const admission = await session.submit(command('held'));
    if (admission.verdict !== 'held') throw new Error('not held');
    decide(true);
    expect(pipeline.kill(session.id, 'revoked')).toBe(true);
    expect(await admission.decided).toMatchObject({ verdict: 'refused' });
    expect(withdrawn).toEqual(['The session ended.']);
    expect(() => session.submit(command('after'))).toThrow('revoked');
  });
});
