import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Admission, Operation } from '../../pipeline/engine.ts';
import { askForApproval } from './approvals.ts';
import type { Call } from './call.ts';
import { readMessage } from './envelope.ts';
import { RequestStates } from './request-state.ts';

const message = readMessage(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}'));

/** As much of a call as waits for people, with a caller whose patience is at its end. */
function impatient(era: 'legacy' | 'modern', submitted: () => Admission): { call: Call; answers: string[] } {
  const answers: string[] = [];
  const clock = { now: () => 0 };
  const call = {
    message,
    link: { era, session: { submit: () => submitted() } },
    shared: { clock, states: new RequestStates(clock) },
    stop: { race: () => Promise.resolve('late') },
    owner: 'me',
    digestAnyway: () => 'digest',
    answer: (bytes: Uint8Array) => answers.push(Buffer.from(bytes).toString()),
  } as unknown as Call;
  return { call, answers };
}

it.for(['legacy', 'modern'] as const)('an approval that comes after a %s caller was answered is left for who comes back', async (era) => {
  const approved = Promise.withResolvers<undefined>();
  let submissions = 0;
  const { call, answers } = impatient(era, () => {
    submissions++;
    return { verdict: 'waiting', request: 'req_a', by: 'the team', decided: approved.promise, withdraw: () => undefined };
  });
  const admitted = await askForApproval(call, {} as Operation);
  if (era === 'modern') expect([admitted.verdict, answers.length]).toEqual(['answered', 1]);
  else expect(admitted).toMatchObject({ verdict: 'refused', request: 'req_a', denial: { code: 'ERR_APPROVAL_REQUIRED' } });
  approved.resolve(undefined);
  await sleep(10);
  expect(submissions).toBe(1);
});
