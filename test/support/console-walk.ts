import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Browser, BrowserContext, Locator, Page, Response } from 'playwright';
import { demoCards } from '../../proxy/demo/payments-cards.ts';
import { accessibilityFaults, launchBrowser, newPerson, photograph, screenshotFolder, themes } from './browser.ts';
import { compiledCode, postern } from './command-line.ts';
import { debianTool } from './debian-packages.ts';
import { startDemo, type Demo } from './demo.ts';
import { luhn } from './masking-cases.ts';
import { run, start, type Finished, type Running } from './program.ts';

const portBase = 41_000;
/** for what a person waits for; a slow machine counts for itself */
const patienceMs = 10_000;

/** Somebody at a screen of their own: page, and all that came to it. */
export class ConsolePerson {
  readonly context: BrowserContext;
  readonly page: Page;
  /** broken policies of the page, thrown errors, and what `inspect` found */
  readonly faults: string[];
  readonly #url: string;
  /** bodies of the answers, as far as they end */
  readonly #answers: Promise<string>[] = [];

  constructor(url: string, { context, page, faults }: { context: BrowserContext; page: Page; faults: string[] }) {
    this.#url = url;
    this.context = context;
    this.page = page;
    this.faults = faults;
    context.setDefaultTimeout(patienceMs);
    page.on('response', (response) => void this.#answers.push(textOf(response)));
  }

  /** Opens a screen by its address, as a link does: without loading the page again. */
  async open(...path: readonly string[]): Promise<void> {
    await this.page.goto(`${this.#url}/#/a/here/${path.map(encodeURIComponent).join('/')}`);
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  async press(name: string | RegExp): Promise<void> {
    await this.button(name).click();
  }

  async fill(label: string, text: string): Promise<void> {
    await this.page.getByLabel(label, { exact: true }).fill(text);
  }

  /** Writes into a code editor as pasting does: at its end, or instead of all. */
  async write(label: string, text: string, { instead = false }: { readonly instead?: boolean } = {}): Promise<void> {
    await this.page.getByRole('textbox', { name: label, exact: true }).click();
    await this.page.keyboard.press(instead ? 'Control+A' : 'Control+End');
    // what the browser itself replaces would keep its colours as inline styles for a moment, which the page's policy forbids
    if (instead) await this.page.keyboard.press('Delete');
    await this.page.keyboard.insertText(text);
  }

  clipboard(): Promise<string> {
    return this.page.evaluate('navigator.clipboard.readText()');
  }

  row(text: string | RegExp): Locator {
    return this.page.getByRole('grid').getByRole('row').filter({ hasText: text });
  }

  /** Chooses in a list that opens. */
  async choose(label: string | RegExp, option: string | RegExp): Promise<void> {
    await this.page.getByRole('button', { name: label }).click();
    await this.page.getByRole('option', { name: option }).first().click();
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  /** Waits until nothing is loading, so that a picture shows what a person sees. */
  async settled(): Promise<void> {
    await this.page.getByRole('status', { name: 'Loading' }).first().waitFor({ state: 'hidden' });
    await this.page.evaluate(
      'document.fonts.ready.then(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished))).then(() => undefined)',
    );
  }

  /** Both themes for axe, both sizes for the pictures; card numbers must be nowhere. What is wrong joins `faults`. */
  async inspect(name: string): Promise<void> {
    await this.settled();
    for (const theme of themes) {
      await this.page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      this.faults.push(...(await accessibilityFaults(this.page, { colours: theme !== themes[0] })).map((fault) => `${name}, ${theme}: ${fault}`));
    }
    await photograph(this.page, 'console', name);
    this.faults.push(...(await this.cardNumbers()).map((pan) => `${name}: card number ${pan}`));
  }

  /** Whole card numbers in the document: in its words, fields and tooltips, and the demo's own anywhere in its text. */
  async cardNumbers(): Promise<string[]> {
    const page = this.page;
    const attributes = `[...document.querySelectorAll('[title], [aria-label]')].flatMap((one) => [one.getAttribute('title'), one.getAttribute('aria-label')])`;
    const typed = `[...document.querySelectorAll('input, textarea')].map(({ value }) => value)`;
    // the text of a program: these types are of Node alone
    const words = await page.evaluate<string>(`[document.body.innerText, ...${attributes}, ...${typed}].join('\\n')`);
    const html = await page.content();
    const runs = words.match(/\d(?:[ -]?\d){12,18}/g) ?? [];
    return [...runs.filter((digits) => luhn(digits.replaceAll(/[ -]/g, ''))), ...demoCards().flatMap(({ pan }) => (html.includes(pan) ? [pan] : []))];
  }

  /** Which of the texts ever came to this page. */
  async received(secrets: readonly string[]): Promise<string[]> {
    const answers = await Promise.all(this.#answers);
    return secrets.filter((secret) => answers.some((answer) => answer.includes(secret)));
  }
}

/** A live view does not end, so it has no body. */
async function textOf(response: Response): Promise<string> {
  if ((response.headers()['content-type'] ?? '').includes('event-stream')) return '';
  return response.text().catch(() => '');
}

/** One demo, real clients and two people with browsers of their own. */
export class ConsoleWalk {
  #demo: Demo | undefined;
  #browser: Browser | undefined;
  #psql = '';
  #target: pg.Client | undefined;
  readonly #people = new Map<string, Promise<ConsolePerson>>();

  /** undefined: it can go; else why it cannot */
  async begin(): Promise<string | undefined> {
    const [browser, psql] = [await launchBrowser(), await debianTool('psql')];
    this.#browser = browser.found;
    if (browser.found === undefined || psql.found === undefined) return browser.why ?? psql.why;
    this.#psql = psql.found;
    this.#demo = await startDemo(portBase);
    const { host, port, database, user, password } = this.demo.direct.payments;
    this.#target = new pg.Client({ host, port, database, user, password });
    await this.#target.connect();
    return undefined;
  }

  async end(): Promise<void> {
    await this.#target?.end();
    await this.#browser?.close();
    await this.#demo?.remove();
  }

  get demo(): Demo {
    if (this.#demo === undefined) throw new Error('the walk has not begun');
    return this.#demo;
  }

  /** A browser that was never here. */
  async stranger(): Promise<ConsolePerson> {
    if (this.#browser === undefined) throw new Error('the walk has not begun');
    return new ConsolePerson(this.demo.console.url, await newPerson(this.#browser));
  }

  /** Enrolled by their link, once for the whole walk. */
  person(name: 'olivia' | 'bob'): Promise<ConsolePerson> {
    const known = this.#people.get(name) ?? this.#enrolled(name);
    this.#people.set(name, known);
    return known;
  }

  async #enrolled(name: 'olivia' | 'bob'): Promise<ConsolePerson> {
    const person = await this.stranger();
    await person.page.goto(this.demo.console.links[name]);
    await person.press('Make a key and sign in');
    await person.button(`Signed in as ${name}`).waitFor();
    return person;
  }

  /** People who opened a page so far. */
  async people(): Promise<ConsolePerson[]> {
    return Promise.all(this.#people.values());
  }

  /** What each of them sees when a test failed. */
  async photographFailure(test: string): Promise<void> {
    for (const [name, person] of this.#people) {
      const path = join(screenshotFolder, 'console', 'failed', `${test.replaceAll(/\W+/g, '-').slice(0, 80)}-${name}.png`);
      await (await person).page.screenshot({ path }).catch(() => undefined);
    }
  }

  /** Nobody looks any more. */
  async closeBrowsers(): Promise<void> {
    for (const { context } of await this.people()) await context.close();
  }

  /** An ordinary psql through Postern; without commands it reads its input. */
  psql(principal: string, commands: readonly string[] = [], place: { readonly token?: string; readonly database?: string } = {}): Running {
    const { token = this.demo.principals[principal]?.token ?? '', database = 'payments' } = place;
    const address = `host=127.0.0.1 port=${this.demo.resources.payments.sharedPort} user=${principal} dbname=${database}`;
    const tls = `sslmode=verify-full sslrootcert=${this.demo.console.caFile}`;
    return start(this.#psql, ['-X', '-A', '-t', `${address} ${tls}`, ...commands.flatMap((command) => ['-c', command])], { PGPASSWORD: token });
  }

  /** At the target itself, beside Postern. */
  async target(sql: string, values: readonly unknown[] = []): Promise<unknown[][]> {
    if (this.#target === undefined) throw new Error('the walk has not begun');
    return (await this.#target.query<unknown[]>({ text: sql, values: [...values], rowMode: 'array' })).rows;
  }

  /** The command line, as the demo's administrator. */
  async cli(args: readonly string[]): Promise<Finished> {
    return run(process.execPath, [...postern, '--data', this.demo.dataDir, ...args], compiledCode());
  }

  async json<T>(args: readonly string[]): Promise<T> {
    const { code, out, err } = await this.cli(['--json', ...args]);
    if (code !== 0) throw new Error(`postern ${args.join(' ')} ended with ${String(code)}: ${err}${out}`);
    return JSON.parse(out) as T; // what the command promises
  }

  /** Alice decides at her terminal. */
  async alice(verdict: 'approve' | 'deny', request: string, reason: string): Promise<Finished> {
    return this.cli(['requests', verdict, request, '--reason', reason, '--yes', '--key-file', join(this.demo.dataDir, 'demo-approver.json')]);
  }

  /** Everything that must never come to a page. */
  secrets(): string[] {
    const passwords = Object.values(JSON.parse(readFileSync(join(this.demo.dataDir, 'demo-passwords.json'), 'utf8')) as Record<string, string>);
    const tokens = Object.values(this.demo.principals).map(({ token }) => token);
    return [...passwords, ...tokens, readFileSync(join(this.demo.dataDir, 'admin.token'), 'utf8').trim()];
  }
}
