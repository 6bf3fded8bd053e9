import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

const masked = 'select holder, brand, pan, cvv from cards order by id limit 3';

export function sessionsBlock(walk: ConsoleWalk): void {
  describe('sessions', () => {
    it('a live one is listed, watched as it goes, and replayed with masked rows', async () => {
      const olivia = await walk.person('olivia');
      const psql = walk.psql('ci-runner');
      psql.write(`${masked};\n`);
      await psql.saying('|');
      await olivia.open('sessions');
      await olivia.row('ci-runner').first().waitFor();
      await olivia.inspect('sessions');
      await olivia.row('ci-runner').first().click();
      await olivia.sees('select holder');
      psql.write("select 'while somebody watches' as words;\n");
      await olivia.page.getByRole('log').getByText('while somebody watches').waitFor();
      await olivia.inspect('session-watch');

      psql.end();
      await psql.finished;
      await olivia.sees('The session has ended');
      await olivia.press('Replay it');
      const result = olivia.page.getByRole('grid', { name: 'Result 1' });
      await result.getByRole('row').nth(3).waitFor();
      expect(await result.innerText()).toMatch(/\d{6}\*+\d{4}/);
      await olivia.row('while somebody watches').waitFor();
      await olivia.sees(/Masked: .*pan/);
      await olivia.inspect('session-replay');
      await olivia.page.getByRole('searchbox', { name: 'Search the recording' }).fill('watches');
      await olivia.row('select holder').waitFor({ state: 'detached' });
    });

    it('a killed one ends within a second, at psql and at the target', async () => {
      const olivia = await walk.person('olivia');
      const psql = walk.psql('ci-runner', ['select pg_sleep(90)']);
      const running = `select count(*) from pg_stat_activity where query like '%pg_sleep(90)%' and state = 'active' and pid <> pg_backend_pid()`;
      await expect.poll(async () => (await walk.target(running))[0]).toEqual(['1']);
      await olivia.open('sessions');
      await olivia.press('Kill the session of ci-runner on payments');
      await olivia.fill('Reason', 'sleeps for too long');
      await olivia.inspect('session-kill');
      const since = performance.now();
      await olivia.page.getByRole('alertdialog').getByRole('button', { name: 'Kill session' }).click();
      const { code, err } = await psql.finished;
      expect(performance.now() - since).toBeLessThan(1_000);
      expect([code === 0, err]).toEqual([false, expect.stringMatching(/FATAL|closed the connection|terminat/)]);
      await expect.poll(async () => (await walk.target(running))[0]).toEqual(['0']);
      await olivia.sees('The session of ci-runner is ended.');
      await olivia.open('sessions', 'ended');
      await olivia.row('ci-runner').first().waitFor();
      await olivia.inspect('sessions-ended');
    });
  });
}
