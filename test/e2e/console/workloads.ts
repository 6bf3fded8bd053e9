import type { Locator } from 'playwright';
import { describe, expect, it } from 'vitest';
import type { ConsolePerson, ConsoleWalk } from '../../support/console-walk.ts';

/** Free text with proposals. */
function combo({ page }: ConsolePerson, label: string): Locator {
  return page.getByRole('combobox', { name: label, exact: true });
}

export function workloadsBlock(walk: ConsoleWalk): void {
  describe('workloads', () => {
    it('a rule that anybody could meet is refused, with why; a narrow one is added, disabled and deleted', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('trust');
      await olivia.sees('No workload is trusted yet');
      await olivia.inspect('workloads-none');
      // in the head, and where the list is empty
      await olivia.button('Add trust rule').first().click();
      await olivia.fill('Name', 'shop-github');
      await combo(olivia, 'Claim').fill('repository');
      await olivia.fill('Value', 'shop/reports');
      await combo(olivia, 'They come as').fill('ci-runner');
      await olivia.press('Add');
      await olivia.sees(/needs a condition one-of on repository_id/);
      await olivia.inspect('workload-add');

      await combo(olivia, 'Claim').fill('repository_id');
      await olivia.fill('Value', '4711');
      await olivia.press('Add');
      await olivia.page.getByRole('heading', { name: 'shop-github', level: 1 }).waitFor();
      await olivia.inspect('workload');
      const [rule] = await walk.json<{ name: string; conditions: unknown }[]>(['trust-rule', 'list']);
      expect(rule).toMatchObject({ name: 'shop-github', conditions: [{ claim: 'repository_id', test: { is: 'one-of', values: ['4711'] } }] });

      await olivia.press('Disable');
      await olivia.inspect('workload-disable');
      await olivia.page.getByRole('alertdialog').getByRole('button', { name: 'Disable' }).click();
      await olivia.sees('shop-github is disabled.');
      await olivia.press('Delete');
      await olivia.fill('Type shop-github to go on', 'shop-github');
      await olivia.press('Delete trust rule');
      await olivia.sees('No workload is trusted yet');
    });
  });
}
