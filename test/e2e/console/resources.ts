import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

export function resourcesBlock(walk: ConsoleWalk): void {
  describe('resources', () => {
    it('a new one is tested at once: a wrong password in the target’s words, then corrected; psql reaches it', async () => {
      const { host, port, user, password, database } = walk.demo.direct.payments;
      const olivia = await walk.person('olivia');
      await olivia.open('resources');
      await olivia.row(/^payments/).waitFor();
      await olivia.inspect('resources');
      await olivia.press('Add resource');
      await olivia.inspect('resource-kinds');
      await olivia.press(/^PostgreSQL database/);
      await olivia.press('Next');
      await olivia.sees('This is needed.');
      await olivia.fill('Name', 'ledger');
      await olivia.fill('Host', host);
      await olivia.fill('Port', String(port));
      await olivia.inspect('resource-add');
      await olivia.press('Next');
      await olivia.choose(/TLS to the target/, 'Off');
      await olivia.inspect('resource-add-tls');
      await olivia.press('Next');
      await olivia.fill('Account', user);
      await olivia.fill('Database', database);
      await olivia.fill('Password', 'not-the-password');
      await olivia.press('Next');
      await olivia.press('Create and test');
      await olivia.sees('It does not work');
      await olivia.sees(/password authentication failed/);
      await olivia.inspect('resource-add-failed');

      await olivia.press('Back');
      await olivia.fill('Password', password);
      await olivia.press('Next');
      await olivia.press('Save and test');
      await olivia.sees('It works');
      await olivia.sees(`Logged in as ${user}.`);
      await olivia.press('Open resource');
      await olivia.page.getByRole('heading', { name: 'ledger', level: 1 }).waitFor();
      await olivia.inspect('resource');
      const { out } = await walk.psql('ci-runner', ['select count(*) from customers'], { database: 'ledger' }).finished;
      expect(out.trim()).toBe('5000');
    });

    it('its credential cannot be read back, by no page and no answer', async () => {
      const olivia = await walk.person('olivia');
      await olivia.page.reload();
      await olivia.page.getByRole('heading', { name: 'ledger', level: 1 }).waitFor();
      await olivia.settled();
      expect(await olivia.page.content()).not.toContain(walk.demo.direct.payments.password);
      expect(await olivia.received(walk.secrets())).toEqual([]);
    });

    it('a connection can be tested again, and its commands be copied', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('resources', 'payments');
      await olivia.press('Test connection');
      await olivia.sees('It works');
      await olivia.button(/^Copy psql, shared port$/).click();
      expect(await olivia.clipboard()).toContain(`port=${walk.demo.resources.payments.sharedPort}`);
      await olivia.inspect('resource-tested');
    });

    it('one that is deleted must be named first', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('resources', 'ledger');
      await olivia.press('Delete');
      const confirm = olivia.page.getByRole('alertdialog').getByRole('button', { name: 'Delete resource' });
      expect(await confirm.isDisabled()).toBe(true);
      await olivia.inspect('resource-delete');
      await olivia.fill('Type ledger to go on', 'ledger');
      await confirm.click();
      await olivia.sees('ledger was deleted, with its credential.');
      const names = (await walk.json<{ name: string }[]>(['resource', 'list'])).map(({ name }) => name);
      expect(names).toContain('payments');
      expect(names).not.toContain('ledger');
    });
  });
}
