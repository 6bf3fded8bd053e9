import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildConsole } from '../../build/console.ts';
import { startAppliance, type Appliance } from '../support/appliance.ts';
import { askControl } from '../support/audit-events.ts';
import { launchBrowser, newPerson } from '../support/browser.ts';
import { lengthen } from '../support/long-log.ts';
import { skipBecause } from '../support/skip.ts';
import { until } from '../support/until.ts';

const size = { events: 100_000, sessions: 10_000 };
const rowsToReach = 5_000;
const maxRowsDrawn = 300;
const longTaskMs = 200;

/** Lists of a service that is in use for long. Times depend on the machine: they are printed, not judged. */
describe('a hundred thousand events and ten thousand sessions', () => {
  let why: string | undefined;
  let base = '';
  let appliance: Appliance;
  let browser: Browser | undefined;
  let page: Page;

  beforeAll(async () => {
    const launched = await launchBrowser();
    browser = launched.found;
    why = launched.why;
    if (browser === undefined) return;
    await buildConsole();
    base = mkdtempSync(join(tmpdir(), 'postern-scale-'));
    appliance = await startAppliance({ dir: base });
    ({ page } = await newPerson(browser));
    await page.goto(readFileSync(join(appliance.dir, 'setup.link'), 'utf8').trim());
    await page.getByRole('button', { name: 'Make a key and sign in' }).click();
    await stateLine(page).waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await appliance.remove();
    rmSync(base, { recursive: true, force: true });
  });
  beforeEach((context) => {
    if (why !== undefined) skipBecause(context, why);
  });

  it('shows the first screen of a young service', async () => {
    const took: number[] = [];
    for (let round = 0; round < 5; round++) {
      await page.goto('about:blank');
      await page.goto(`${appliance.controlUrl}/#/a/here/overview`);
      await stateLine(page).getByText('Running').waitFor();
      // from the start of the navigation
      took.push(await page.evaluate(() => performance.now()));
    }
    say(`first screen: best of five ${Math.min(...took).toFixed(0)} ms, median ${median(took).toFixed(0)} ms`);
  });

  it('reads the whole log into the history while it serves', async () => {
    await appliance.stop();
    const { perSecond } = await lengthen(appliance.dir, size);
    const from = performance.now();
    await appliance.start();
    await until('the history follows the log', async () => (await historyState(appliance)) === 'up', 60_000);
    say(`log written at ${perSecond.toFixed(0)} events/s; started and read in ${((performance.now() - from) / 1000).toFixed(1)} s`);
    await page.goto('about:blank');
    await page.goto(`${appliance.controlUrl}/#/a/here/overview`);
    await stateLine(page).getByText('Running').waitFor();
  });

  it('draws few of many audit events, however far one scrolls', async () => {
    await page.goto(`${appliance.controlUrl}/#/a/here/audit`);
    const scrolled = await scroll(page, page.getByRole('grid', { name: 'Audit events' }), async () => {
      await page.mouse.wheel(0, 3_200);
    });
    say(`audit events: ${told(scrolled)}`);
    expect(scrolled.reached).toBeGreaterThan(rowsToReach);
    expect(scrolled.drawn).toBeLessThan(maxRowsDrawn);
  });

  it('draws few of many sessions, by keyboard', async () => {
    await page.goto(`${appliance.controlUrl}/#/a/here/sessions/all`);
    const grid = page.getByRole('grid', { name: 'Sessions' });
    await grid.getByRole('row').nth(1).focus();
    const scrolled = await scroll(page, grid, async () => {
      await page.keyboard.press('End');
    });
    say(`sessions: ${told(scrolled)}`);
    expect(scrolled.reached).toBeGreaterThan(rowsToReach);
    expect(scrolled.drawn).toBeLessThan(maxRowsDrawn);
  });
});

interface Scrolled {
  /** rows at the page */
  readonly reached: number;
  /** rows in the document at most */
  readonly drawn: number;
  /** longest tasks of the page, in milliseconds */
  readonly longTasks: readonly number[];
  readonly seconds: number;
}

/** Goes on by `step` until so many rows are at hand, and notes what the page had to do for it. */
async function scroll(page: Page, grid: Locator, step: () => Promise<void>): Promise<Scrolled> {
  await grid.getByRole('row').nth(2).waitFor();
  await grid.hover();
  const longTasks = await page.evaluateHandle(() => {
    const durations: number[] = [];
    new PerformanceObserver((list) => durations.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' });
    return durations;
  });
  const from = performance.now();
  let reached = 0;
  let drawn = 0;
  await until(
    `${String(rowsToReach)} rows`,
    async () => {
      await step();
      const now = await grid.evaluate((element) => {
        const rows = [...element.querySelectorAll('[role="row"]')];
        return { drawn: rows.length, last: Math.max(...rows.map((row) => Number(row.getAttribute('aria-rowindex')))) };
      });
      drawn = Math.max(drawn, now.drawn);
      reached = now.last;
      return reached > rowsToReach;
    },
    90_000,
  );
  return { reached, drawn, longTasks: await longTasks.jsonValue(), seconds: (performance.now() - from) / 1000 };
}

function told({ reached, drawn, longTasks, seconds }: Scrolled): string {
  const long = longTasks.filter((duration) => duration > longTaskMs).length;
  const longest = Math.max(0, ...longTasks).toFixed(0);
  return `row ${String(reached)} after ${seconds.toFixed(1)} s, at most ${String(drawn)} drawn; longest task ${longest} ms, ${String(long)} over ${String(longTaskMs)} ms`;
}

async function historyState(appliance: Appliance): Promise<string> {
  const { parts } = await askControl<{ parts: { name: string; state: string }[] }>(appliance, '/v1/status');
  return parts.find(({ name }) => name === 'history')?.state ?? 'missing';
}

function stateLine(page: Page): Locator {
  return page.getByRole('region', { name: 'Service' });
}

function median(of: readonly number[]): number {
  return of.toSorted((a, b) => a - b)[of.length >> 1] ?? 0;
}

function say(line: string): void {
  process.stdout.write(`${line}; load ${loadavg()[0]?.toFixed(1) ?? ''}\n`);
}
