import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { z } from 'zod';
import type { ShadowResult as ShadowResultView } from '../../contract/api-console.ts';
import { fail } from '../../contract/errors.ts';
import type { PolicyFile } from '../../contract/snapshot.ts';
import type { PolicyFault } from '../../policy/compile.ts';
import type { PolicyTestResult } from '../../policy/policy-test.ts';
import type { Output } from '../../contract/api.ts';
import { count } from '../arguments.ts';
import type { Client } from '../client.ts';
import { table, visible } from '../output.ts';
import { asked, type Cli } from '../session.ts';

type ShadowResult = z.infer<typeof ShadowResultView>;

export function addPolicyCommands(program: Command, cli: Cli): void {
  const group = program.command('policy').description('who may do what');
  group
    .command('get [dir]')
    .description('the policies in force; with DIR, written there')
    .action(async (dir: string | undefined, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const set = await (await client()).call('getPolicies', {});
      if (dir !== undefined) await write(dir, set.files);
      print(set, () =>
        dir === undefined
          ? set.files.map(({ name, text }) => `// ${name}\n${text.trimEnd()}\n`).join('\n')
          : `Wrote ${String(set.files.length)} files of version ${set.version}.\n`,
      );
    });
  group
    .command('put <dir>')
    .description('replaces all policies by the *.cedar files of DIR')
    .option('--replaces <version>', 'refuse when another version is in force')
    .action(async (dir: string, { replaces }: { replaces?: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const files = await read(dir, '.cedar');
      const { version } = await (await client()).call('putPolicies', { files, ...(replaces !== undefined && { replaces }) });
      print({ version }, () => `Version ${version} is in force.\n`);
    });
  addShadow(group, cli);
  addChecks(group, cli);
}

/** Policies that are evaluated beside those in force and decide nothing. */
function addShadow(group: Command, cli: Cli): void {
  const shadow = group
    .command('shadow')
    .description('the policies that are evaluated beside those in force and decide nothing')
    .option('--dir <dir>', 'they become the *.cedar files of DIR')
    .option('--off', 'there are none any longer')
    .action(async ({ dir, off }: { dir?: string; off?: true }, command: Command) => {
      const { client, print } = asked(command, cli);
      if (off === true && dir !== undefined) throw fail('ERR_INVALID_INPUT', { message: 'Give --dir or --off, not both.' });
      const api = await client();
      if (off === undefined && dir === undefined) {
        const set = await api.call('getShadowPolicies', {});
        print(set, () =>
          set.files.length === 0 ? 'There are no shadow policies.\n' : set.files.map(({ name, text }) => `// ${name}\n${text.trimEnd()}\n`).join('\n'),
        );
        return;
      }
      const { version } = await api.call('putShadowPolicies', { files: dir === undefined ? [] : await read(dir, '.cedar') });
      print({ version }, () => (dir === undefined ? 'Shadow policies are off.\n' : `Version ${version} is evaluated beside the policies in force.\n`));
    });
  shadow
    .command('results')
    .description('commands on which the shadow policies would have decided otherwise, newest first')
    .option('--of <version>', 'of these shadow policies only')
    .option('--limit <count>', 'how many', count, 100)
    .action(async ({ of, limit }: { of?: string; limit: number }, command: Command) => {
      const { client, print } = asked(command, cli);
      const items = await shadowResults(await client(), { version: of, limit });
      print(items, () => table(['EVENT', 'AT', 'PRINCIPAL', 'RESOURCE', 'DECIDED', 'SHADOW', 'COMMAND'], items.map(resultRow)));
    });
}

/** Without a service, but for `explain`. */
function addChecks(group: Command, cli: Cli): void {
  group
    .command('check <dir>')
    .description('validates the *.cedar files of DIR without a service')
    .action(async (dir: string, _options, command: Command) => {
      const { print } = asked(command, cli);
      // Cedar is a large module: loaded by the commands that need it
      const { compilePolicies } = await import('../../policy/compile.ts');
      const compilation = compilePolicies(await read(dir, '.cedar'));
      const faults = compilation.ok ? [] : compilation.faults;
      const summary = compilation.ok ? `${String(compilation.compiled.policies.length)} policies are valid.\n` : '';
      print({ valid: compilation.ok, faults }, () => faultLines(faults) + summary);
      if (!compilation.ok) cli.exitCode(1);
    });
  group
    .command('test <dir>')
    .description('runs the *.test.json files of DIR against its *.cedar files, without a service')
    .action(async (dir: string, _options, command: Command) => {
      const { print } = asked(command, cli);
      const { parsePolicyTests, runPolicyTests } = await import('../../policy/policy-test.ts');
      const run = runPolicyTests(await read(dir, '.cedar'), (await read(dir, '.test.json')).flatMap(parsePolicyTests));
      const passed = run.ok && run.results.every((result) => result.passed);
      print(run, () =>
        run.ok
          ? `${run.results.map(resultLine).join('')}${run.unused.length === 0 ? '' : `Decided in no test: ${run.unused.join(', ')}\n`}`
          : faultLines(run.faults),
      );
      if (!passed) cli.exitCode(1);
    });
  group
    .command('explain')
    .description('what the policies in force say about connecting, or about a command')
    .requiredOption('--principal <name>', 'who asks')
    .requiredOption('--resource <name>', 'of what')
    .option('--database <name>', "the target's database")
    .option('--statement <text>', 'the command; `-` reads it from standard input')
    .action(async (options: { principal: string; resource: string; database?: string; statement?: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const statement = options.statement === '-' ? await readAll(cli.io.stdin) : options.statement;
      const { principal, resource, database } = options;
      const api = await client();
      const facts = statement === undefined ? undefined : await api.call('classifyStatement', { name: resource, database, statement });
      const answer = await api.call('explainPolicy', { principal, resource, database, facts });
      print(answer, () => explanationText(answer));
      if (!answer.permitted) cli.exitCode(1);
    });
}

/** A page may be short, or empty, where the service had much to look through. */
async function shadowResults(api: Client, { version, limit }: { version: string | undefined; limit: number }): Promise<ShadowResult[]> {
  const items: ShadowResult[] = [];
  for (let cursor: string | undefined; items.length < limit; ) {
    const page = await api.call('listShadowResults', { version, cursor, limit: Math.min(limit - items.length, maxPage) });
    items.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  return items;
}

function resultRow({ index, at, principal, resource, command, decided, shadow }: ShadowResult): string[] {
  return [String(index), at, principal, resource, decided, shadow, (command ?? '(not kept)').slice(0, maxShownCommand)];
}

const maxPage = 1_000;
const maxShownCommand = 200;
const maxFileBytes = 1_048_576;

/** The files of a directory with this ending, by name. */
async function read(dir: string, ending: string): Promise<PolicyFile[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw fail('ERR_INVALID_INPUT', { message: `${dir} cannot be read.`, hint: 'Name a directory with *.cedar files.', cause: error });
  });
  const files: PolicyFile[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith(ending)).sort()) {
    const text = await readFile(join(dir, name), 'utf8');
    if (text.length > maxFileBytes) throw fail('ERR_INVALID_INPUT', { message: `${name} is too long.` });
    files.push({ name, text });
  }
  if (files.length === 0) throw fail('ERR_INVALID_INPUT', { message: `${dir} has no *${ending} files.`, hint: 'Name the directory that holds them.' });
  return files;
}

async function write(dir: string, files: readonly PolicyFile[]): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { name, text } of files) await writeFile(join(dir, name.endsWith('.cedar') ? name : `${name}.cedar`), text);
}

async function readAll(stream: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** `file:line:column: message; hint` */
function faultLine({ file, line, column, message, hint }: PolicyFault): string {
  return `${file}:${String(line)}:${String(column)}: ${message}${hint === null ? '' : `; ${hint}`}`;
}

function faultLines(faults: readonly PolicyFault[]): string {
  return faults.map((fault) => `${visible(faultLine(fault))}\n`).join('');
}

function resultLine({ name, passed, decision, policies, message }: PolicyTestResult): string {
  const why = passed ? '' : ` – ${decision} by ${policies.join(', ') || 'no policy'}: ${message}`;
  return `${passed ? 'ok' : 'FAILED'}  ${visible(name + why)}\n`;
}

function explanationText(answer: Output<'explainPolicy'>): string {
  const acts = answer.acts.map((act) => {
    const policies = act.policies.map(
      ({ name, effect, file, line, text }) =>
        `    ${effect} ${visible(name)} (${visible(file)}:${String(line)})\n${text
          .split('\n')
          .map((row) => `      ${visible(row)}\n`)
          .join('')}`,
    );
    const none = act.policies.length === 0 ? '    no policy permits it\n' : '';
    return `  ${act.permitted ? 'permitted' : 'refused'}  ${visible(`${act.action} ${act.object}`)}\n${policies.join('')}${none}`;
  });
  const people = answer.approve === null ? '' : ` after ${String(answer.approve.needed)} of group ${answer.approve.group} approved`;
  const verdict = answer.permitted ? `Permitted${people}` : `Refused: ${visible(answer.message)}`;
  return `${verdict} (policy version ${answer.policyVersion})\n${answer.permitted ? '' : `Hint: ${visible(answer.hint)}\n`}${acts.join('')}`;
}
