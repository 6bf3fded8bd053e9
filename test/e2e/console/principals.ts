import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

const account = 'nightly-report';

export function principalsBlock(walk: ConsoleWalk): void {
  describe('principals', () => {
    it('a service account has an owner and a purpose; its token is shown once, copied, and gone', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('principals', 'accounts');
      await olivia.row('release-bot').waitFor();
      await olivia.inspect('principals');
      await olivia.press('Create service account');
      await olivia.fill('Name', account);
      await olivia.press('Create');
      await olivia.sees('Who answers for it: 3 to 200 characters.');
      await olivia.sees('What it is for: 3 to 500 characters.');
      await olivia.inspect('account-create');
      await olivia.fill('Owner', 'olivia@example.com');
      await olivia.fill('Purpose', 'Numbers of the day for the finance team');
      await olivia.page.getByRole('combobox', { name: 'Groups' }).fill('readers');
      // leaves the proposals
      await olivia.page.keyboard.press('Tab');
      await olivia.button('Remove readers').waitFor();
      await olivia.press('Create');
      await olivia.page.getByRole('heading', { name: account, level: 1 }).waitFor();

      await olivia.press('Create token');
      await olivia.choose(/Expires after/, '24 hours');
      await olivia.inspect('token-create');
      await olivia.page.getByRole('dialog').getByRole('button', { name: 'Create token' }).click();
      const dialog = olivia.page.getByRole('dialog', { name: 'Token created' });
      await dialog.getByRole('button', { name: 'Copy' }).click();
      const token = await olivia.clipboard();
      expect(await dialog.innerText()).toContain(token);
      await olivia.page.keyboard.press('Escape');
      expect(await olivia.button('Done').isDisabled()).toBe(true);
      await olivia.inspect('token-once');
      await dialog.getByText('I have stored it').click();
      await olivia.press('Done');
      await dialog.waitFor({ state: 'detached' });
      expect(await olivia.page.content()).not.toContain(token);
      await olivia.inspect('account');

      const run = async (): Promise<string> => (await walk.psql(account, ['select count(*) from customers'], { token }).finished).out.trim();
      expect(await run()).toBe('5000');
      await olivia.press(/^Revoke tok_/);
      await olivia.press('Revoke token');
      await olivia.sees('The token was revoked.');
      expect(await run()).toBe('');
    });

    it('a person is invited with a link that is shown once and makes a key in their own browser', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('principals', 'people');
      await olivia.row('alice').waitFor();
      await olivia.inspect('people');
      await olivia.press('Add person');
      await olivia.fill('Name', 'carol');
      await olivia.fill('Person', 'carol@example.com');
      await olivia.inspect('person-add');
      await olivia.press('Add');
      await olivia.page.getByRole('heading', { name: 'carol', level: 1 }).waitFor();
      await olivia.inspect('person');
      await olivia.press('Invite');
      await olivia.press('Make code');
      await olivia.press('Copy link');
      const link = await olivia.clipboard();
      await olivia.inspect('person-code');
      await olivia.page.getByText('I have stored it').click();
      await olivia.press('Done');

      const carol = await walk.stranger();
      await carol.page.goto(link);
      await carol.press('Make a key and sign in');
      await carol.button('Signed in as carol').waitFor();
      await carol.inspect('overview-approver');
      expect(carol.faults).toEqual([]);
      await carol.context.close();
      // by itself, without a reload
      await olivia.sees('Ed25519, made and kept on their machine');
    });
  });
}
