import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

export function firstRunBlock(walk: ConsoleWalk): void {
  describe('first run', () => {
    it('a link makes a key in the browser and signs in; the code leaves the address at once', async () => {
      const olivia = await walk.person('olivia');
      await olivia.page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
      expect(olivia.page.url()).not.toContain('enrol');
      const users = await walk.json<{ name: string; key: { enrolledAt: string } | null }[]>(['user', 'list']);
      expect(users.find(({ name }) => name === 'olivia')?.key?.enrolledAt).toBeDefined();
    });

    it('the checklist reads the service, and each step can be verified', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('overview');
      const steps = olivia.page.getByRole('listitem').filter({ has: olivia.button(/^Verify: /) });
      await expect.poll(() => steps.count()).toBe(6);
      await olivia.press('Verify: A first resource');
      // the first by name is a server that is started for it
      const verified = steps
        .filter({ hasText: 'A first resource' })
        .getByRole('status')
        .filter({ hasText: /14 tools, 0 prompts/ });
      await verified.waitFor({ timeout: 30_000 });
      expect(await steps.filter({ hasText: 'The service runs' }).getByRole('img', { name: 'done' }).count()).toBe(1);
      expect(await steps.filter({ hasText: 'A first recorded session' }).getByRole('img', { name: 'open' }).count()).toBe(1);
      await olivia.inspect('overview-first-run');

      const { code, out } = await walk.psql('ci-runner', ['select count(*) from orders']).finished;
      expect([code, out.trim()]).toEqual([0, '100000']);
      // by itself: the page is not loaded again
      await olivia.sees('Set-up is complete.');
      await olivia.inspect('overview');
    });

    it('a reload signs in again with the key, without a word', async () => {
      const olivia = await walk.person('olivia');
      await olivia.page.reload();
      await olivia.button('Signed in as olivia').waitFor();
      await olivia.page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    });

    it('a link that was used is refused in words', async () => {
      const stranger = await walk.stranger();
      await stranger.page.goto(walk.demo.console.links.olivia);
      await stranger.press('Make a key and sign in');
      const refusal = stranger.page.getByRole('alert');
      await refusal.waitFor();
      expect(await refusal.innerText()).toMatch(/code/i);
      expect(await stranger.page.getByRole('navigation', { name: 'Screens' }).count()).toBe(0);
      await stranger.inspect('enrol-refused');
      expect(stranger.faults).toEqual([]);
      await stranger.context.close();
    });

    it('without a key there is a door, and nothing behind it is shown', async () => {
      const stranger = await walk.stranger();
      await stranger.open('audit');
      await stranger.page.getByRole('textbox', { name: 'Enrolment code' }).waitFor();
      await stranger.inspect('enrol');
      expect(stranger.faults).toEqual([]);
      await stranger.context.close();
    });

    it('an approver sees what approvers may, and is told what the rest needs', async () => {
      const bob = await walk.person('bob');
      const screens = bob.page.getByRole('navigation', { name: 'Screens' }).getByRole('link');
      await expect.poll(async () => (await screens.allInnerTexts()).map((text) => text.trim())).toEqual(['Overview', 'Requests', 'Principals', 'Settings']);
      await bob.open('audit');
      await bob.sees('There is no such screen');
      await bob.inspect('not-here');
      await bob.open('principals', 'accounts');
      await bob.sees('You may not see or do this');
      await bob.inspect('no-permission');
    });
  });
}
