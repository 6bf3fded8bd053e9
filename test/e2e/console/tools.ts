import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../../build/step.ts';
import type { ConsolePerson, ConsoleWalk } from '../../support/console-walk.ts';
import { run, type Finished } from '../../support/program.ts';

/** a call starts a program of its own */
const patience = { timeout: 20_000 };

/** As its page in the console says it. */
async function addressOf(olivia: ConsolePerson, server: string): Promise<string> {
  await olivia.open('resources', server);
  await olivia.press('Copy address for callers');
  return olivia.clipboard();
}

/** The official client, at the address of the gateway. */
function call(walk: ConsoleWalk, url: string, tool: string): Promise<Finished> {
  const args = [join(root, 'build', 'mcp-call.ts'), url, join(walk.demo.dataDir, 'demo-ci-runner.token'), tool, '{"limit":2}'];
  return run(process.execPath, args, { NODE_EXTRA_CA_CERTS: walk.demo.console.caFile });
}

export function toolsBlock(walk: ConsoleWalk): void {
  describe('tools', () => {
    it('what a server offers is shown whole; one that is refused cannot be called until somebody agrees to it again', async () => {
      const olivia = await walk.person('olivia');
      const url = await addressOf(olivia, 'tools');
      expect(url).toMatch(/^https:\/\/.*\/mcp\/tools$/);
      await olivia.inspect('resource-mcp');
      expect(await call(walk, url, 'search_payments')).toMatchObject({ code: 0, out: expect.stringMatching(/\d{6}\*+\d{4}/) as string, err: '' });

      await olivia.open('tools', 'all', 'server=tools');
      await olivia.row('search_payments').waitFor();
      await olivia.inspect('tools');
      await olivia.row('search_payments').click();
      await olivia.sees('Definition as offered, masked');
      await olivia.inspect('tool');
      await olivia.press('Refuse');
      await olivia.sees(/Refused search_payments of tools/);
      await olivia.row('search_payments').getByText('Refused').waitFor();
      await expect.poll(async () => (await call(walk, url, 'search_payments')).code, patience).toBe(1);

      await olivia.row('search_payments').click();
      await olivia.page.getByText('I confirm that this tool only reads').click();
      await olivia.press('Agree to exactly this');
      await olivia.row('search_payments').getByText('Agreed, read-only').waitFor();
      await expect.poll(async () => (await call(walk, url, 'search_payments')).code, patience).toBe(0);
    });

    it('a call is replayed with its tool, its answer and what was masked', async () => {
      const olivia = await walk.person('olivia');
      await olivia.open('sessions', 'all', 'resource=tools');
      await olivia.row('ci-runner').first().click();
      const recorded = olivia.row('search_payments').filter({ hasText: 'success' }).first();
      const isThere = async (): Promise<boolean> => {
        // what a live session does is stored every two seconds, and read once
        for (const tab of ['Watch', 'Replay']) await olivia.page.getByRole('tab', { name: tab }).click();
        return recorded.waitFor({ timeout: 2_000 }).then(
          () => true,
          () => false,
        );
      };
      await expect.poll(isThere, patience).toBe(true);
      await recorded.click();
      await olivia.sees(/Call \d+ of \d+/);
      await olivia.page
        .getByText(/\d{6}\*+\d{4}/)
        .first()
        .waitFor();
      await olivia.inspect('session-replay-mcp');
    });

    it('an API is added by its own form; an address of this machine is refused at its field until that is allowed', async () => {
      const olivia = await walk.person('olivia');
      const { url } = await walk.json<{ url: string }>(['resource', 'show', 'orders']);
      await olivia.open('resources');
      await olivia.press('Add resource');
      await olivia.press(/^HTTP API/);
      await olivia.fill('Name', 'order-feed');
      await olivia.fill('Address', url);
      await olivia.choose(/How the target is shown the credential/, 'None');
      await olivia.press('Create and test');
      await olivia.sees('ERR_INVALID_INPUT');
      await olivia.inspect('resource-add-http');
      await olivia.page.getByText('The target may be on this machine').click();
      await olivia.press('Create and test');
      // it has a key, and was given none
      await olivia.sees('It does not work');
      await olivia.press('Keep it and close');
      await olivia.page.getByRole('heading', { name: 'order-feed', level: 1 }).waitFor();
      await olivia.inspect('resource-http');
      expect((await walk.cli(['resource', 'remove', 'order-feed'])).code).toBe(0);
    });
  });
}
