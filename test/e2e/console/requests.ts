import { describe, expect, it } from 'vitest';
import type { Locator } from 'playwright';
import { digitsFrom, luhn, random } from '../../support/masking-cases.ts';
import { putDeletePolicies } from '../../support/console-policies.ts';
import type { ConsolePerson, ConsoleWalk } from '../../support/console-walk.ts';
import type { Running } from '../../support/program.ts';

const settleMs = 1_500;

/** A psql that waits, and its row in the open list of a person, with the milliseconds between the two. */
async function held(walk: ConsoleWalk, person: ConsolePerson, command: string): Promise<{ psql: Running; row: Locator; ms: number }> {
  const psql = walk.psql('release-bot', [command]);
  await psql.saying('Waiting for the approval');
  const since = performance.now();
  const row = person.row(command);
  await row.waitFor();
  return { psql, row, ms: performance.now() - since };
}

function detail({ page }: ConsolePerson): Locator {
  return page.getByRole('region', { name: 'Request', exact: true });
}

async function openInbox(person: ConsolePerson, tab: 'waiting' | 'pending' | 'history' = 'waiting'): Promise<void> {
  await person.open('requests', tab);
  await person.page.getByRole('heading', { name: 'Requests', level: 1 }).waitFor();
  await person.settled();
}

/** In the page, which alone sees both moments however busy the machine is: for how many milliseconds Approve is there and cannot be pressed. */
function approveWaits(): Promise<number> {
  return new Promise((resolve) => {
    let since: number | null = null;
    const look = (): void => {
      const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent.trim() === 'Approve');
      if (button === undefined) return;
      since ??= performance.now();
      if (button.disabled || button.ariaDisabled === 'true') return;
      observer.disconnect();
      resolve(performance.now() - since);
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, attributes: true });
    look();
  });
}

/** Presses Approve as soon as it can be pressed. */
async function approve(person: ConsolePerson): Promise<void> {
  await person.press('Approve');
  await person.sees(/Your approval is signed/);
}

async function deny(person: ConsolePerson, reason: string): Promise<void> {
  await person.fill('Reason', reason);
  await person.press('Deny');
  await person.sees('You denied it.');
}

/** Two card numbers that look the same once they are masked. */
function lookAlikes(): [string, string] {
  const next = random(7);
  const found: string[] = [];
  while (found.length < 2) {
    const pan = `411111${digitsFrom(next, 6)}1111`;
    if (luhn(pan) && !found.includes(pan)) found.push(pan);
  }
  return [found[0] ?? '', found[1] ?? ''];
}

export function requestsBlock(walk: ConsoleWalk): void {
  describe('requests', () => {
    it('a held delete appears in the open inbox within a second, without a reload', async () => {
      const bob = await walk.person('bob');
      await openInbox(bob);
      await bob.sees('Nothing waits for you');
      await bob.inspect('requests-empty');
      const times: number[] = [];
      for (const id of [11, 12, 13]) {
        const { psql, row, ms } = await held(walk, bob, `delete from payment_events where id = ${id}`);
        times.push(ms);
        psql.signal('SIGINT');
        await psql.finished;
        await row.waitFor({ state: 'detached' });
      }
      const [best = Infinity, median] = times.toSorted((a, b) => a - b);
      console.log(`from the notice at psql to the row on the screen: best ${best.toFixed(0)} ms, median ${(median ?? 0).toFixed(0)} ms`);
      expect(best).toBeLessThan(1_000);
    });

    it('the whole command is shown; Approve waits until it was looked at, Enter never approves, and then psql goes on', async () => {
      const bob = await walk.person('bob');
      await openInbox(bob);
      const command = 'delete from payment_events\n  where id = 1 /* a duplicate */';
      const whole = walk.psql('release-bot', [command]);
      const waited = bob.page.evaluate(approveWaits);
      waited.catch(() => undefined);
      await bob.row('payment_events').click();
      await bob.page.getByRole('heading', { name: /^release-bot wants to run a delete on payments, once, within 15 min$/ }).waitFor();
      expect(await bob.button('Approve').isDisabled()).toBe(true);
      const shown = await bob.page.getByRole('region', { name: 'Command', exact: true }).innerText();
      for (const line of command.split('\n')) expect(shown).toContain(line.trim());
      expect(await detail(bob).innerText()).toContain('Schema changes and corrections at release time');

      const reason = bob.page.getByRole('textbox', { name: 'Reason' });
      await reason.press('Enter');
      await expect.poll(() => bob.button('Approve').isEnabled(), { timeout: 10_000 }).toBe(true);
      expect(await waited).toBeGreaterThan(settleMs - 50);
      await bob.inspect('request');
      await bob.button('Approve').focus();
      await bob.page.keyboard.press('Enter');
      await reason.press('Control+Enter');
      expect((await walk.target('select count(*) from payment_events where id = 1'))[0]).toEqual(['1']);

      await approve(bob);
      const { code, out } = await whole.finished;
      expect([code, out.trim()]).toEqual([0, 'DELETE 1']);
      expect((await walk.target('select count(*) from payment_events where id = 1'))[0]).toEqual(['0']);
      await bob.sees('The command ran, once');
      await bob.inspect('request-used');
    });

    it('Deny needs a reason; psql reads it, and the row is still there', async () => {
      const bob = await walk.person('bob');
      await openInbox(bob);
      const { psql, row } = await held(walk, bob, 'delete from payment_events where id = 2');
      await row.click();
      await bob.press('Deny');
      await bob.sees('Say why, in at least 3 characters: the requester reads it.');
      await bob.inspect('request-deny');
      await deny(bob, 'not on a Friday');
      expect((await psql.finished).err).toMatch(/ERROR:.*not on a Friday/s);
      expect((await walk.target('select count(*) from payment_events where id = 2'))[0]).toEqual(['1']);
    });

    it('N of M: one approval is not enough, nobody counts twice, and a second person makes it run', async () => {
      await putDeletePolicies(walk);
      const bob = await walk.person('bob');
      await openInbox(bob);
      const [[card] = []] = await walk.target('select max(card_id) from card_numbers_numeric');
      const still = `select count(*) from card_numbers_numeric where card_id = ${String(card)}`;
      const { psql, row } = await held(walk, bob, `delete from card_numbers_numeric where card_id = ${String(card)}`);
      await row.filter({ hasText: '0 of 2' }).click();
      await bob.sees('0 of 2 approvals by the group approvers; each must be a different person.');
      await approve(bob);
      await bob.sees('1 of 2 approvals by the group approvers; the next must be a different person.');
      expect(await bob.button('Approve').count()).toBe(0);
      expect((await walk.target(still))[0]).toEqual(['1']);
      await bob.inspect('request-one-of-two');

      const [{ id }] = await walk.json<[{ id: string }]>(['requests', 'list', '--status', 'pending']);
      await bob.open('requests', 'pending', id);
      await bob.sees(/^You cannot decide on it: /);
      const second = await walk.alice('approve', id, 'seen by two');
      expect([second.code, second.err]).toEqual([0, '']);
      expect((await psql.finished).out.trim()).toBe('DELETE 1');
      await bob.sees('The command ran, once');
    });

    it('an undecided request expires: the screen says so at once, and psql is refused', async () => {
      const bob = await walk.person('bob');
      await openInbox(bob);
      const { psql, row } = await held(walk, bob, 'delete from customers where id = 4999');
      await row.click();
      await bob.page
        .getByRole('timer')
        .filter({ hasText: /Expires in \d+ s/ })
        .waitFor();
      expect((await psql.finished).err).toContain('ERROR:  Nobody decided in time.');
      await bob.sees('It expired: the command did not run');
      expect(await bob.button('Approve').count()).toBe(0);
      expect((await walk.target('select count(*) from customers where id = 4999'))[0]).toEqual(['1']);
      await bob.inspect('request-expired');
    });

    it('what one owns is shown and not decidable, with the reason in words', async () => {
      const name = 'bobs-tool';
      await walk.json([
        'service-account',
        'create',
        name,
        '--owner',
        'bob@example.com',
        '--purpose',
        'Corrections of his own',
        '--group',
        'readers',
        '--group',
        'writers',
      ]);
      const { token } = await walk.json<{ token: string }>(['token', 'create', name]);
      const psql = walk.psql(name, ['delete from payment_events where id = 3'], { token });
      await psql.saying('Waiting for the approval');
      const bob = await walk.person('bob');
      await openInbox(bob, 'pending');
      await bob.row(name).click();
      await bob.sees(/^You cannot decide on it: .*own/);
      expect(await bob.button('Approve').count()).toBe(0);
      expect(await bob.button('Deny').count()).toBe(0);
      await bob.page
        .getByRole('tab', { name: /Waiting for me/ })
        .filter({ hasText: '0' })
        .waitFor();
      await bob.inspect('request-own');
      psql.signal('SIGINT');
      await psql.finished;
      await bob.sees('It was withdrawn: the command did not run');
    });

    it('a look-alike with another hidden value is shown as different, and only the approved one runs', async () => {
      const pans = lookAlikes();
      const where = 'select body from support_tickets where body = any($1) order by body';
      for (const pan of pans) await walk.target('insert into support_tickets (customer_id, body) values (1, $1)', [pan]);
      const bob = await walk.person('bob');
      await openInbox(bob);
      const [planted, meant] = pans.map((pan) => walk.psql('release-bot', [`delete from support_tickets where body = '${pan}'`]));
      await expect.poll(() => bob.row('support_tickets').count()).toBe(2);
      await bob.row('support_tickets').first().click();
      await bob.sees(/411111\D+1111/);
      await bob.press('Compare…');
      await bob.choose(/Compare with/, /pending/);
      await bob.sees('The visible text is the same, but the hidden values differ: it is not the same command.');
      const texts = await bob.page.getByRole('region', { name: /^Command of (this|that) request$/ }).allInnerTexts();
      expect(new Set(texts).size).toBe(1);
      expect(await bob.page.getByRole('row').filter({ hasText: 'Different' }).count()).toBe(1);
      await bob.inspect('request-compare');

      await approve(bob);
      const [first, second] = [planted, meant];
      const ran = await Promise.race([first?.finished.then(() => 0), second?.finished.then(() => 1)]);
      const left = await walk.target(where, [pans]);
      expect(left).toEqual([[pans[ran === 0 ? 1 : 0]]]);
      await bob.press('Open next');
      await deny(bob, 'the look-alike');
      await Promise.all([first?.finished, second?.finished]);
      expect(await walk.target(where, [pans])).toEqual(left);
    });

    it('history and accesses', async () => {
      const bob = await walk.person('bob');
      await openInbox(bob, 'history');
      for (const state of ['Used', 'Denied', 'Expired', 'Withdrawn']) await bob.row(state).first().waitFor();
      await bob.inspect('requests-history');
      await bob.open('requests', 'grants');
      await bob.settled();
      await bob.inspect('accesses');
    });
  });
}
