import { expect, test } from 'vitest';
import { fail } from '../contract/errors.ts';
import type { EventHeader } from '../contract/audit-event.ts';
import { positionOf } from '../store/position.ts';
import { Changes } from './changes.ts';

const who = { actor: { issuer: 'postern', subject: 'svc_a', name: 'admin', kind: 'administrator', credential: 'tok_a' }, origin: '127.0.0.1' } as const;
const change = { affected: 'policy', value: { version: 'b', files: [] } };

function setUp() {
  const done: string[] = [];
  const faults = { check: false, record: false, apply: false };
  const changes = new Changes({
    clock: { now: () => Date.UTC(2026, 0, 1) },
    log: {
      record: (header: EventHeader, body) => {
        done.push(`event ${header.code} ${body ?? ''}`);
        return faults.record ? Promise.reject(fail('ERR_AUDIT_UNAVAILABLE')) : Promise.resolve(positionOf(7));
      },
    },
    state: {
      check: () => {
        if (faults.check) throw fail('ERR_CONFLICT');
      },
      applyEvent: (at, { code }) => {
        if (faults.apply) throw fail('ERR_STATE_DAMAGED');
        done.push(`apply ${code} at ${String(at)}`);
        return true;
      },
    },
    resync: () => {
      done.push('resync');
      return Promise.resolve();
    },
    changed: () => done.push('changed'),
  });
  return { changes, done, faults };
}

test('the event with the full new value is durable before the state and the vault change', async () => {
  const { changes, done } = setUp();
  await changes.commit('policy.updated', who, {
    ...change,
    effect: (at) => {
      done.push(`effect at ${String(at)}`);
      return Promise.resolve();
    },
  });
  expect(done).toEqual(['event policy.updated {"files":[],"version":"b"}', 'apply policy.updated at 7', 'effect at 7', 'changed']);
});

test('what the state refuses is never announced; what the log refuses is never applied', async () => {
  const { changes, done, faults } = setUp();
  faults.check = true;
  await expect(changes.commit('policy.updated', who, change)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  expect(done).toEqual([]);
  faults.check = false;
  faults.record = true;
  await expect(changes.commit('policy.updated', who, change)).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
  expect(done).toEqual(['event policy.updated {"files":[],"version":"b"}']);
});

test.each(['record', 'apply'] as const)('after a failed %s the state is brought up to the log before anything else changes', async (step) => {
  const { changes, done, faults } = setUp();
  faults[step] = true;
  await expect(changes.commit('policy.updated', who, change)).rejects.toThrow();
  faults[step] = false;
  done.length = 0;
  await changes.commit('policy.updated', who, change);
  expect(done.slice(0, 3)).toEqual(['resync', 'changed', 'event policy.updated {"files":[],"version":"b"}']);
  done.length = 0;
  await changes.commit('policy.updated', who, change);
  expect(done).not.toContain('resync');
});

test('changes run one after the other, and a failed one does not stop the next', async () => {
  const { changes } = setUp();
  const order: number[] = [];
  const first = changes.exclusive(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    order.push(1);
    throw new Error('first');
  });
  const second = changes.exclusive(() => Promise.resolve(order.push(2)));
  await expect(first).rejects.toThrow('first');
  await second;
  expect(order).toEqual([1, 2]);
});
