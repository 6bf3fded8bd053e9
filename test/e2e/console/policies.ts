import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { changePolicies } from '../../support/console-policies.ts';
import type { ConsolePerson, ConsoleWalk } from '../../support/console-walk.ts';

const file = '90-auditors.cedar';
const faulty = '// who only looks\n@id("look-on")\npermit (principal in Group::"auditors", action == Action::"connect" resource is Database);\n';
const right = faulty.replace('"connect" resource', '"connect", resource');

async function inForce(walk: ConsoleWalk, name: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'postern-policies-'));
  try {
    await walk.json(['policy', 'get', dir]);
    return readFileSync(join(dir, name), 'utf8');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function explain(person: ConsolePerson, principal: string, statement: string): Promise<string> {
  await person.open('policies', 'explain', principal, 'payments');
  await person.write('Command (optional)', statement, { instead: true });
  await person.press('Explain');
  const acts = person.page.getByRole('list', { name: 'Acts' });
  const verdict = person.page
    .getByRole('status')
    .filter({ has: acts })
    .filter({ hasText: `${principal} may` });
  await verdict.waitFor();
  return verdict.innerText();
}

export function policiesBlock(walk: ConsoleWalk): void {
  describe('policies', () => {
    it('a mistake is shown at its line and cannot be saved; corrected, it is compared and put in force', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('policies', 'edit');
      await olivia.sees('No problems');
      await olivia.inspect('policies');
      await olivia.press('New file');
      await olivia.fill('File name', file);
      await olivia.press('Create file');
      await olivia.write(file, faulty);
      const problem = olivia.page.getByRole('region', { name: 'Problems' }).getByRole('button', { name: new RegExp(`^${file}:3:\\d+`) });
      await problem.waitFor();
      await problem.click();
      await olivia.sees('1 problem');
      // the mark stands beside the third line
      const mark = await olivia.page.locator('.cm-lint-marker-error').boundingBox();
      const line = await olivia.page.locator('.cm-line').nth(2).boundingBox();
      expect(Math.abs((mark?.y ?? 0) - (line?.y ?? 100))).toBeLessThan(12);
      await olivia.inspect('policies-problem');
      await olivia.button('Review and save').hover();
      await olivia.page.getByRole('tooltip', { name: 'Correct the problems first' }).waitFor();

      await olivia.write(file, right, { instead: true });
      await olivia.sees('No problems');
      await olivia.press('Review and save');
      await olivia.page
        .getByRole('region', { name: `${file}: added` })
        .filter({ hasText: 'look-on' })
        .waitFor();
      await olivia.inspect('policies-review');
      await olivia.press('Put in force');
      await olivia.sees('The policies are in force.');
      expect(await inForce(walk, file)).toBe(right);
    });

    it('explain says who may do what, and which policy decided it', async () => {
      const olivia = await walk.person('olivia');
      const permitted = await explain(olivia, 'ci-runner', 'select id from orders');
      expect(permitted).toContain('ci-runner may run this on payments.');
      expect(permitted).toContain('read-tables');
      const refused = await explain(olivia, 'ci-runner', 'drop table orders');
      expect(refused).toContain('ci-runner may not run this on payments');
      await olivia.inspect('policies-explain');
      const waits = await explain(olivia, 'release-bot', 'delete from orders where id = 1');
      expect(waits).toContain('release-bot may run this on payments once one person of approvers has approved.');
      expect(waits).toContain('delete-with-approval');
      expect((await walk.target('select count(*) from orders where id = 1'))[0]).toEqual(['1']);
    });

    it('what somebody else saved meanwhile is never overwritten', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('policies', 'edit', file);
      await olivia.write(file, '// mine\n');
      await changePolicies(walk, (dir) => appendFileSync(join(dir, '10-connect.cedar'), '// theirs\n'));
      await olivia.sees(/^The policies in force were changed since you began/);
      await olivia.press('Compare');
      await olivia.sees('The policies were changed meanwhile');
      await olivia.inspect('policies-conflict');
      await olivia.press('Put mine onto theirs');
      await olivia.page.getByRole('region', { name: `${file}: changed` }).waitFor();
      await olivia.inspect('policies-diff');
      await olivia.press('Put in force');
      await olivia.sees('As in force');
      expect(await inForce(walk, file)).toBe(`${right}// mine\n`);
      expect(await inForce(walk, '10-connect.cedar')).toMatch(/\/\/ theirs\n$/);
    });

    it('tests, shadow and history', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('policies', 'tests');
      await olivia.press('Begin with an example');
      await olivia.press(/^Run/);
      await olivia.sees(/tests? (passed|failed)/);
      await olivia.inspect('policies-tests');
      await olivia.open('policies', 'edit', '10-connect.cedar');
      await olivia.write(
        '10-connect.cedar',
        '@id("no-orders") forbid (principal, action == Action::"sql:select", resource is Table) when { resource.name == "orders" };\n',
      );
      await olivia.sees('No problems');
      await olivia.open('policies', 'shadow');
      await olivia.press('Put edited policies into shadow');
      await olivia.press('Put into shadow');
      await olivia.sees('Shadow is on');
      const differing = olivia.row('from orders').filter({ hasText: 'Refuse' });
      await expect
        .poll(
          async () => {
            const { out } = await walk.psql('ci-runner', ['select count(*) from orders where id = 7']).finished;
            return [out.trim(), (await differing.count()) > 0];
          },
          { timeout: 20_000, interval: 500 },
        )
        .toEqual(['1', true]);
      await olivia.inspect('policies-shadow');
      await olivia.press('Turn off');
      await olivia.page.getByRole('alertdialog').getByRole('button', { name: 'Turn off' }).click();
      await olivia.sees('Shadow is off');
      await olivia.open('policies', 'edit');
      await olivia.press('Discard');
      await olivia.press('Discard changes');
      await olivia.open('policies', 'history');
      await olivia.row('olivia').first().waitFor();
      await olivia.inspect('policies-history');
    });
  });
}
