import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConsoleWalk } from '../support/console-walk.ts';
import { skipBecause } from '../support/skip.ts';
import { auditBlock } from './console/audit.ts';
import { firstRunBlock } from './console/first-run.ts';
import { maskingBlock } from './console/masking.ts';
import { operationBlock } from './console/operation.ts';
import { policiesBlock } from './console/policies.ts';
import { principalsBlock } from './console/principals.ts';
import { requestsBlock } from './console/requests.ts';
import { resourcesBlock } from './console/resources.ts';
import { sessionsBlock } from './console/sessions.ts';
import { toolsBlock } from './console/tools.ts';
import { workloadsBlock } from './console/workloads.ts';

/**
 * The console in the browser that people have, against the service of `postern demo`: one walk in the order in which a newcomer goes
 * it. Pictures of every screen, in both sizes and themes, lie in out/screenshots/console.
 */
describe('the console', () => {
  const walk = new ConsoleWalk();
  let why: string | undefined;
  beforeAll(async () => {
    why = await walk.begin();
  });
  afterAll(() => walk.end());
  beforeEach((context) => {
    if (why !== undefined) skipBecause(context, why);
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await walk.photographFailure(task.name);
  });

  firstRunBlock(walk);
  resourcesBlock(walk);
  toolsBlock(walk);
  workloadsBlock(walk);
  principalsBlock(walk);
  requestsBlock(walk);
  policiesBlock(walk);
  sessionsBlock(walk);
  auditBlock(walk);
  maskingBlock(walk);
  operationBlock(walk);

  describe('at its end', () => {
    it('no secret of the service, the target or a caller ever came to a page', async () => {
      for (const person of await walk.people()) expect(await person.received(walk.secrets())).toEqual([]);
    });

    it('no page broke its content security policy, threw, failed WCAG 2.2 AA or held a whole card number', async () => {
      const faults = (await walk.people()).flatMap(({ faults: found }) => found);
      expect([...new Set(faults)]).toEqual([]);
    });
  });
});
