import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium as playwright, type Browser, type BrowserContext, type Page } from 'playwright';
import { root } from '../../build/step.ts';
import { chromium, type Found } from './debian-packages.ts';

export const sizes = [
  { width: 1280, height: 800 },
  { width: 1440, height: 900 },
] as const;
export const themes = ['light', 'dark'] as const;
export type Theme = (typeof themes)[number];

/** The browser that people have; pass `why` to `skipBecause`. */
export async function launchBrowser(): Promise<Found<Browser>> {
  const { found, why } = await chromium();
  if (found === undefined) return { why };
  const browser = await playwright.launch({
    executablePath: found.path,
    // the sandbox needs rights that a build machine's user may lack
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    env: { ...process.env, ...found.env },
  });
  return { found: browser };
}

/** A person's browser: keys and storage of its own. */
export async function newPerson(browser: Browser, theme: Theme = 'light'): Promise<{ context: BrowserContext; page: Page; faults: string[] }> {
  const context = await browser.newContext({
    // the demo's certificate is its own
    ignoreHTTPSErrors: true,
    viewport: sizes[0],
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  const faults: string[] = [];
  // what a policy of the page forbids, or the page itself throws, is a fault of ours
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /content security policy|refused to/i.test(message.text())) faults.push(message.text());
  });
  return { context, page, faults };
}

/** the rules of those below that look at colours */
const colourRules = ['color-contrast', 'link-in-text-block'];

/** WCAG 2.2 A and AA; what is found, in one line each. `colours`: of a page whose words and roles were looked at in another theme. */
export async function accessibilityFaults(page: Page, { colours = false }: { readonly colours?: boolean } = {}): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  const { violations } = await (colours ? axe.withRules(colourRules) : axe.withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])).analyze();
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id}: ${help} at ${target.join(' ')}`));
}

export const screenshotFolder = join(root, 'out', 'screenshots');

/** The page as it is, in both sizes and themes: `<folder>/<name>-<width>-<theme>.png`. */
export async function photograph(page: Page, folder: string, name: string): Promise<void> {
  const place = join(screenshotFolder, folder);
  mkdirSync(place, { recursive: true });
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const size of sizes) {
      await page.setViewportSize(size);
      await page.screenshot({ path: join(place, `${name}-${String(size.width)}-${theme}.png`), animations: 'disabled', timeout: 30_000 });
    }
  }
  await page.setViewportSize(sizes[0]);
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
}
