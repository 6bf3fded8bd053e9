import { describe, expect, it } from 'vitest';
import type { ConsoleWalk } from '../../support/console-walk.ts';

const pan = '4111111111111111';

export function maskingBlock(walk: ConsoleWalk): void {
  describe('masking', () => {
    it('a column that is tagged here is hidden from the next command on', async () => {
      const mail = async (): Promise<string> => (await walk.psql('ci-runner', ['select email from customers where id = 1']).finished).out.trim();
      expect(await mail()).toContain('@');
      const olivia = await walk.person('olivia');
      await olivia.open('masking');
      await olivia.row('public.cards.pan').waitFor();
      await olivia.press('Tag a column');
      await olivia.page.getByRole('combobox', { name: 'Resource' }).fill('payments');
      await olivia.fill('Table or view', 'customers');
      await olivia.fill('Column', 'email');
      await olivia.choose(/ Tag$/, /^other/);
      await olivia.inspect('masking-tag');
      await olivia.press('Add to changes');
      await olivia.row('public.customers.email').filter({ hasText: 'Not saved' }).waitFor();
      expect(await mail()).toContain('@');
      await olivia.inspect('masking');
      await olivia.press('Review and save');
      await olivia.inspect('masking-review');
      await olivia.press('Save rules');
      await olivia.sees('1 change of the masking rules is in force.');
      await expect.poll(mail).not.toContain('@');
    });

    it('the ledger counts what was hidden', async () => {
      await walk.psql('ci-runner', ['select pan from cards where id < 5']).finished;
      const olivia = await walk.person('olivia');
      await olivia.open('masking', 'ledger');
      await olivia.row('public.cards.pan').waitFor();
      await olivia.inspect('masking-ledger');
    });

    it('a text can be tried; it comes back masked', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('masking', 'try');
      await olivia.fill('Text', `card ${pan}, thank you`);
      await olivia.press('Mask');
      const shown = olivia.page.getByRole('region', { name: 'Masked text' });
      await shown.waitFor();
      expect(await shown.innerText()).toBe('card 411111******1111, thank you');
      await olivia.sees(/1 match/);
      await olivia.fill('Text', 'card');
      await olivia.inspect('masking-try');
    });
  });
}
