import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { putDeletePolicies } from '../../support/console-policies.ts';
import type { ConsoleWalk } from '../../support/console-walk.ts';

const panPattern = /\d{6}\*+\d{4}/;

export function operationBlock(walk: ConsoleWalk): void {
  describe('health', () => {
    it('shows each part with what to do, and the last log lines', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('health');
      const parts = olivia.page.getByRole('list', { name: 'Parts of the service' }).getByRole('listitem');
      for (const part of ['audit', 'control', 'gateway', 'vault']) await parts.filter({ hasText: part }).first().waitFor();
      await olivia.page.getByRole('region', { name: 'Log lines of control' }).waitFor();
      await olivia.inspect('health');
    });

    it('a restart says what ends, and the gateway comes back', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('health');
      const before = walk.demo.pidOf('gateway');
      await olivia.press('Restart gateway');
      await olivia.fill('Reason', 'to see it come back');
      await olivia.inspect('health-restart');
      await olivia.page.getByRole('alertdialog').getByRole('button', { name: 'Restart gateway' }).click();
      await olivia.sees('gateway is starting anew.');
      await expect.poll(() => walk.demo.pidOf('gateway'), { timeout: 30_000 }).not.toBe(before);
      const count = async (): Promise<string> => (await walk.psql('ci-runner', ['select count(*) from customers']).finished).out.trim();
      await expect.poll(count, { timeout: 30_000, interval: 500 }).toBe('5000');
      await olivia.page.getByRole('listitem').filter({ hasText: 'gateway' }).filter({ hasText: 'Up' }).first().waitFor();
      // by itself, as soon as it listens again
      await olivia.sees(`postgres 127.0.0.1:${walk.demo.resources.payments.sharedPort}`);
    });

    it('a self-scan finds nothing', async () => {
      const olivia = await walk.person('olivia');
      await olivia.press('Scan now');
      await olivia.page.getByText(/^Nothing was recognised in \d+ files/).waitFor({ timeout: 60_000 });
      await olivia.inspect('health-scanned');
    });
  });

  describe('settings', () => {
    it('a webhook shows its key once, and a test reaches the receiver', async () => {
      const bodies: string[] = [];
      const receiver = createServer((request, response) => {
        request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
        request.on('end', () => response.end());
      });
      await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
      const { port } = receiver.address() as AddressInfo; // listening on TCP
      const olivia = await walk.person('olivia');
      await olivia.open('settings', 'webhooks');
      await olivia.press('Add webhook');
      await olivia.fill('Name', 'duty');
      await olivia.fill('Address', `http://127.0.0.1:${port}/hook`);
      await olivia.inspect('webhook-add');
      await olivia.press('Add');
      await olivia.page.getByText('I have stored it').click();
      await olivia.press('Done');
      await olivia.press('Send a test to duty');
      await olivia.sees(/^The test was delivered/);
      expect(bodies.length).toBe(1);
      await olivia.inspect('settings-webhooks');
      receiver.close();
    });

    it('the theme is chosen and kept; the rest says what this browser keeps', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('settings');
      await olivia.inspect('settings');
      await olivia.choose(/Theme/, 'Dark');
      const theme = (): Promise<string | null> => olivia.page.locator('html').getAttribute('data-theme');
      await expect.poll(theme).toBe('dark');
      await olivia.page.reload();
      await olivia.button('Signed in as olivia').waitFor();
      await expect.poll(theme).toBe('dark');
      await olivia.choose(/Theme/, 'As the system');
      await expect.poll(theme).toBe('light');
      for (const tab of ['services', 'witness', 'vault', 'about']) {
        await olivia.open('settings', tab);
        await olivia.settled();
        await olivia.inspect(`settings-${tab}`);
      }
    });

    it('the palette and the keys go everywhere', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('overview');
      await olivia.page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
      await olivia.page.keyboard.press('Control+k');
      await olivia.page.getByRole('dialog').waitFor();
      await olivia.inspect('palette');
      await olivia.page.keyboard.type('Masking');
      await olivia.page.keyboard.press('Enter');
      await olivia.page.getByRole('heading', { name: 'Masking', level: 1 }).waitFor();
      await olivia.page.keyboard.press('?');
      await olivia.page.getByRole('dialog').waitFor();
      await olivia.inspect('keyboard');
      await olivia.page.keyboard.press('Escape');
    });

    it('an approver has a home of their own', async () => {
      const bob = await walk.person('bob');
      await bob.open('overview');
      await bob.inspect('overview-bob');
    });
  });

  describe('with every browser closed', () => {
    it('what nobody decides expires to a refusal, and sessions are still enforced', async () => {
      await putDeletePolicies(walk);
      await walk.closeBrowsers();
      const waits = await walk.psql('release-bot', ['delete from customers where id = 4998']).finished;
      expect(waits.err).toContain('ERROR:  Nobody decided in time.');
      expect((await walk.target('select count(*) from customers where id = 4998'))[0]).toEqual(['1']);
      const session = await walk.psql('ci-runner', ['drop table orders', 'select pan from cards where id = 1']).finished;
      expect(session.err).toContain('ERROR:');
      expect(session.out).toMatch(panPattern);
    });
  });
}
