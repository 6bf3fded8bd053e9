import { describe, expect, it, vi } from 'vitest';
import { caller as scramCaller, facts, MemoryAudit, memoryPorts } from '../../test/support/memory-ports.ts';
import type { Caller } from '../contract/principal.ts';
import { fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { Gate, Operation, Permit, Session } from './engine.ts';
import { Pipeline } from './pipeline.ts';
import type { ApprovalPort } from './ports.ts';

const limits = { maxHandshakeBytes: 1024, maxMessageBytes: 1024, handshakeTimeoutMs: 1000, highWaterBytes: 4096 };
const caller: Caller = { ...scramCaller, method: 'bearer' };
const json = { kind: 'json', media: 'drop' } as const;

interface Opened {
  readonly gate: Gate;
  readonly audit: MemoryAudit;
  readonly pipeline: Pipeline;
  readonly clock: { time: number };
}

function opened(approval?: ApprovalPort): Opened {
  const audit = new MemoryAudit();
  const clock = { time: 0 };
  const pipeline = new Pipeline(memoryPorts(audit, approval), {
    gateway: 'gwy_toy',
    limits,
    clock: { now: () => clock.time },
    digestKey: new Secret(new Uint8Array(32)),
  });
  const gate = pipeline.gate({ protocols: ['postgres'], address: '127.0.0.1', pinned: null, tls: null, names: ['127.0.0.1'] });
  return { gate, audit, pipeline, clock };
}

const share = (gate: Gate, key = '', who: Caller = caller): Promise<Session> => gate.share(who, { resource: 'toy', key, applicationName: '', idleMs: 1000 });

function call(text: string, sent: string[], more: Partial<Operation> = {}): Operation {
  return {
    by: 'client',
    facts: facts(text, 'read'),
    exact: [Buffer.from(text)],
    shown: () => [{ kind: 'text', text }],
    sink: {
      write: (bytes) => {
        sent.push(Buffer.from(bytes).toString());
        return true;
      },
      end: () => sent.push('end'),
    },
    ...more,
  };
}

async function permitOf(session: Session, operation: Operation): Promise<Permit> {
  const admission = await session.submit(operation);
  if (admission.verdict !== 'forward') throw new Error(admission.verdict);
  return admission.permit;
}

describe('sessions of callers whose connections are not sessions', () => {
  it('are one for the same credential and key, recorded once with the proof of identity before them', async () => {
    const { gate, audit } = opened();
    const [first, second, other] = await Promise.all([share(gate), share(gate), share(gate, 'another')]);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
    expect(audit.codes()).toEqual(['authentication.succeeded', 'session.started', 'authentication.succeeded', 'session.started']);
    const someoneElse = await share(gate, '', { ...caller, credential: 'tok_other' });
    expect(someoneElse).not.toBe(first);
  });

  it('do not exist for resources the listener does not speak', async () => {
    const { pipeline, audit } = opened();
    const web = pipeline.gate({ protocols: ['mcp', 'http'], address: '127.0.0.1', pinned: null, tls: null, names: [] });
    await expect(share(web)).rejects.toMatchObject({ code: 'ERR_RESOURCE_UNKNOWN' });
    expect(web.resource('toy')).toBeNull();
    expect(audit.codes()).toEqual(['access.denied']);
  });

  it('end when idle, not while an operation runs, and begin anew', async () => {
    const { gate, audit, pipeline, clock } = opened();
    const session = await share(gate);
    const permit = await permitOf(session, call('a', []));
    clock.time = 5_000;
    pipeline.recheck();
    await new Promise(setImmediate);
    expect(session.ended.aborted).toBe(false);
    permit.settle({ status: 'success', rows: 0 });
    clock.time = 7_000;
    pipeline.recheck();
    await new Promise(setImmediate);
    expect(session.ended.aborted).toBe(true);
    expect(audit.codes().at(-1)).toBe('session.ended');
    expect(await share(gate)).not.toBe(session);
  });

  it('give each operation its own sink, in order, not before its intent is durable, and end it after the last byte', async () => {
    const { gate, audit } = opened();
    const session = await share(gate);
    audit.automatic = false;
    const one: string[] = [];
    const two: string[] = [];
    const first = await permitOf(session, call('a', one));
    const second = await permitOf(session, call('b', two));
    void second.release(second.document(json).push(Buffer.from('second')));
    second.settle({ status: 'success', rows: 1 });
    void first.release(first.document(json).push(Buffer.from('first')));
    expect([one, two]).toEqual([[], []]);
    audit.sync();
    expect([one, two]).toEqual([['*****'], ['******', 'end']]);
    first.settle({ status: 'success', rows: 1 });
    expect(one).toEqual(['*****', 'end']);
    const settled = audit.events.filter(({ code }) => code === 'operation.settled');
    expect(settled.map(({ masked }) => masked)).toEqual([{ toy: 1 }, { toy: 1 }]);
  });

  it('let whoever can come back wait: nothing runs until they do, and then once', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const claims: boolean[] = [];
    const withdrawn: string[] = [];
    const port: ApprovalPort = {
      hold: () => {
        throw new Error('not held');
      },
      claim: ({ returns }) => {
        claims.push(returns === true);
        return Promise.resolve(
          claims.length === 1
            ? { request: 'req_a', approved: false }
            : claims.length === 2
              ? { request: 'req_a', approved: true }
              : { request: 'req_a', approved: false, denied: 'no' },
        );
      },
      whenDecided: () => promise,
      withdraw: (_request, reason) => withdrawn.push(reason),
      recheck: () => undefined,
    };
    const { gate, audit } = opened(port);
    const session = await share(gate);
    const operation = call('held', [], { returns: true });
    const waiting = await session.submit(operation);
    if (waiting.verdict !== 'waiting') throw new Error(waiting.verdict);
    expect(waiting.by).toBe('1 of group dba');
    expect(audit.codes()).not.toContain('operation.intended');
    resolve(undefined);
    await waiting.decided;
    const permit = await permitOf(session, operation);
    expect(Buffer.concat(permit.spend()).toString()).toBe('held');
    expect(audit.events.find(({ code }) => code === 'operation.intended')).toMatchObject({ request: 'req_a' });
    expect(await session.submit(operation)).toMatchObject({ verdict: 'refused', denial: { code: 'ERR_NOT_APPROVED' } });
    expect(claims).toEqual([true, true, true]);
    waiting.withdraw('gone');
    expect(withdrawn).toEqual(['gone']);
  });

  it('end when a reply cannot be masked: nothing of it leaves', async () => {
    const audit = new MemoryAudit();
    const ports = memoryPorts(audit);
    const broken = (): never => {
      throw fail('ERR_MASKING_FAILED');
    };
    const masking = { ...ports.masking, document: () => ({ push: broken, end: broken, ledger: () => ({}) }) };
    const pipeline = new Pipeline({ ...ports, masking }, { gateway: 'gwy_toy', limits, clock: { now: () => 0 }, digestKey: new Secret(new Uint8Array(32)) });
    const gate = pipeline.gate({ protocols: ['postgres'], address: '127.0.0.1', pinned: null, tls: null, names: [] });
    const session = await share(gate);
    const sent: string[] = [];
    const permit = await permitOf(session, call('a', sent));
    expect(() => permit.document(json).push(Buffer.from('x'))).toThrow(expect.objectContaining({ code: 'ERR_MASKING_FAILED' }));
    expect(session.ended.reason).toMatchObject({ code: 'ERR_MASKING_FAILED' });
    expect(sent).toEqual([]);
  });

  it('end for all who use them when they are killed', async () => {
    const { gate, pipeline, audit } = opened();
    const session = await share(gate);
    const permit = await permitOf(session, call('a', []));
    pipeline.kill(session.id, 'enough');
    expect((await share(gate)).id).not.toBe(session.id);
    expect(audit.codes()).not.toContain('session.ended');
    permit.settle({ status: 'indeterminate', rows: 0 });
    await vi.waitFor(() => {
      expect(audit.events.find(({ code, session: id }) => code === 'session.ended' && id === session.id)).toMatchObject({ reason: 'enough' });
    });
    expect(pipeline.sessions).toHaveLength(1);
  });
});

describe('a bearer', () => {
  it('that is not good is recorded and nobody', async () => {
    const { gate, audit } = opened();
    expect(await gate.identify.bearer('bad', [])).toBeNull();
    expect(audit.codes()).toEqual(['authentication.failed']);
    expect(await gate.identify.bearer('good', [])).toMatchObject({ method: 'bearer' });
    expect(audit.codes()).toEqual(['authentication.failed']);
  });
});
