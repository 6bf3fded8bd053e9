import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

export function auditBlock(walk: ConsoleWalk): void {
  describe('audit', () => {
    it('is searched by event and principal; a link gives the same view', async () => {
      await walk.psql('ci-runner', ['drop table orders']).finished;
      const olivia = await walk.person('olivia');
      await olivia.open('audit');
      await olivia.row('ci-runner').first().waitFor();
      await olivia.inspect('audit');
      await olivia.choose(/Event$/, 'operation.refused');
      await olivia.press('More filters');
      await olivia.fill('Principal', 'ci-runner');
      await expect.poll(() => olivia.page.url()).toContain('ci-runner');
      await olivia.row('drop table orders').first().waitFor();
      const others = async (): Promise<string[]> => {
        const [, ...rows] = await olivia.page.getByRole('grid').getByRole('row').allInnerTexts();
        return rows.filter((row) => !/operation\.refused[\s\S]*ci-runner/.test(row));
      };
      // what was there before stays on the screen until the answer comes
      await expect.poll(others).toEqual([]);
      await olivia.page.reload();
      await olivia.row('drop table orders').first().waitFor();
      await olivia.inspect('audit-filtered');
    });

    it('one event is proven in the browser, step by step', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('audit');
      await olivia.row('operation.refused').first().click();
      await olivia.press('Prove that it is in the log');
      await olivia.sees('Proven.');
      expect(await olivia.page.getByRole('img', { name: 'ok', exact: true }).count()).toBe(4);
      expect(await olivia.page.getByRole('img', { name: 'failed', exact: true }).count()).toBe(0);
      await olivia.inspect('audit-proof');
    });

    it('an answer that was tampered with is loud', async () => {
      const olivia = await walk.person('olivia');
      await olivia.page.route('**/v1/audit/proofs/inclusion**', async (route) => {
        const answer = await route.fetch();
        const proof = (await answer.json()) as { hashes: string[] };
        const [first = '', ...others] = proof.hashes;
        const changed = Buffer.from(first, 'base64').map((byte, at) => (at === 0 ? byte ^ 1 : byte));
        await route.fulfill({ response: answer, json: { ...proof, hashes: [Buffer.from(changed).toString('base64'), ...others] } });
      });
      await olivia.press('Prove again');
      const alarm = olivia.page.getByRole('alert').filter({ hasText: 'Not proven.' });
      await alarm.waitFor();
      expect(await olivia.page.getByRole('img', { name: 'failed', exact: true }).count()).toBe(1);
      await olivia.sees('this event is not part of the log that was signed');
      await olivia.inspect('audit-proof-failed');
      await olivia.page.unroute('**/v1/audit/proofs/inclusion**');
    });

    it('the log only grew since this browser looked first', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('audit', 'verify');
      await olivia.sees('Holds');
      await olivia.press('Compare with what this browser kept');
      await olivia.sees('Proven.');
      await olivia.inspect('audit-verify');
    });
  });
}
