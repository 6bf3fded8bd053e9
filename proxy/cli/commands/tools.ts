import { Option, type Command } from 'commander';
import { fail } from '../../contract/errors.ts';
import { isAgreed, type ToolPin } from '../../contract/tool-pin.ts';
import { every } from '../arguments.ts';
import type { Client } from '../client.ts';
import { fields, table, visible } from '../output.ts';
import { asked, type Cli } from '../session.ts';
import { askLine } from '../terminal.ts';
import { unifiedDiff } from '../text-diff.ts';

type State = 'quarantined' | 'agreed' | 'rejected';

interface ApproveOptions {
  readonly all?: boolean;
  readonly resource?: string;
  readonly readOnly?: boolean;
  readonly yes?: boolean;
}

const answerTimeoutMs = 10 * 60_000;

/** What MCP servers offer: a tool can be called only while it is exactly what somebody agreed to. */
export function addToolCommands(program: Command, cli: Cli): void {
  const group = program.command('tool').description('what MCP servers offer, and what was agreed to');
  group
    .command('list', { isDefault: true })
    .description('by server and name; what is new or changed is quarantined')
    .option('--resource <name>', 'of this server')
    .addOption(new Option('--state <state>', 'only these').choices(['quarantined', 'agreed', 'rejected']))
    .action(async ({ resource, state }: { resource?: string; state?: State }, command: Command) => {
      const { client, print } = asked(command, cli);
      const items = await toolsOf(await client(), { resource, state });
      print(items, () => table(['ID', 'STATE', 'SERVER', 'KIND', 'NAME', 'SEEN', 'DECIDED BY'], items.map(rowOf)));
    });
  group
    .command('show <id>')
    .description('its definition, and how it differs from what was agreed to')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const pin = await needTool(await client(), id);
      print(pin, () => toolText(pin));
    });
  addDecisions(group, cli);
}

function addDecisions(group: Command, cli: Cli): void {
  group
    .command('approve [id]')
    .description('agrees to it exactly as it is offered')
    .option('--all', 'to everything of --resource that is quarantined')
    .option('--resource <name>', 'with --all: of this server')
    .option('--read-only', 'you checked that it changes nothing: rules for reading count')
    .option('--yes', 'do not ask')
    .action(async (id: string | undefined, options: ApproveOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const pins = await chosen(api, id, options);
      if (options.yes !== true) await confirm(cli, pins);
      const decided: ToolPin[] = [];
      // one after the other: what was agreed to before a conflict stays agreed to
      for (const pin of pins) decided.push(await decide(api, pin, { decision: 'approve', readOnly: options.readOnly === true }));
      print(id === undefined ? decided : decided[0], () => decided.map((pin) => `Agreed to ${visible(nameOf(pin))}.\n`).join('') || 'Nothing waits.\n');
    });
  group
    .command('reject <id>')
    .description('refuses it: it stays hidden until it changes')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const pin = await decide(api, await needTool(api, id), { decision: 'reject', readOnly: false });
      print(pin, () => `Refused ${visible(nameOf(pin))}.\n`);
    });
}

async function chosen(api: Client, id: string | undefined, { all, resource }: ApproveOptions): Promise<ToolPin[]> {
  if (id !== undefined && all !== true) return [await needTool(api, id)];
  if (id === undefined && all === true && resource !== undefined) return toolsOf(api, { resource, state: 'quarantined' });
  throw fail('ERR_INVALID_INPUT', { message: 'Name one tool, or --all of one --resource.', hint: 'See `postern tool list`.' });
}

function decide(api: Client, { id, offered }: ToolPin, how: { decision: 'approve' | 'reject'; readOnly: boolean }): Promise<ToolPin> {
  return api.call('decideTool', { id, offered, ...how });
}

/** Whoever agrees has seen what to. */
async function confirm({ io }: Cli, pins: readonly ToolPin[]): Promise<void> {
  if (!io.stdin.isTTY)
    throw fail('ERR_INVALID_INPUT', { message: 'There is no terminal to ask at.', hint: 'Look at it with `postern tool show`, then repeat with --yes.' });
  for (const pin of pins) io.err(`${toolText(pin)}\n`);
  const answer = await askLine(io, { prompt: `Agree to ${String(pins.length)} as shown? [y/N] `, hidden: false, timeoutMs: answerTimeoutMs });
  if (answer.trim().toLowerCase() !== 'y') throw fail('ERR_INVALID_INPUT', { message: 'Not agreed.', hint: 'Nothing was done.' });
}

async function toolsOf(api: Client, filter: { resource: string | undefined; state: State | undefined }): Promise<ToolPin[]> {
  const items = await every((cursor) => api.call('listTools', { ...filter, limit: 1_000, cursor }));
  return items.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

async function needTool(api: Client, id: string): Promise<ToolPin> {
  const pin = (await toolsOf(api, { resource: undefined, state: undefined })).find((candidate) => candidate.id === id);
  if (pin === undefined) throw fail('ERR_NOT_FOUND', { message: `There is no tool ${id}.`, hint: 'See `postern tool list`.' });
  return pin;
}

function nameOf({ resource, kind, name }: ToolPin): string {
  return `${kind} ${name} of ${resource}`;
}

function stateOf(pin: ToolPin): string {
  if (pin.rejected) return 'rejected';
  if (!isAgreed(pin, pin.offered)) return pin.approved === null ? 'new' : 'changed';
  return pin.readOnly ? 'agreed, read-only' : 'agreed';
}

function rowOf(pin: ToolPin): string[] {
  const { id, resource, kind, name, seenAt, decidedBy } = pin;
  return [id, stateOf(pin), resource, kind, name, seenAt, decidedBy ?? '–'];
}

function toolText(pin: ToolPin): string {
  const { id, resource, kind, name, offered, seenAt, decidedAt, decidedBy } = pin;
  const head = fields({
    id,
    server: resource,
    kind,
    name,
    state: stateOf(pin),
    'SHA-256': offered,
    seen: seenAt,
    decided: decidedAt === null ? null : `${decidedAt} by ${decidedBy ?? '–'}`,
  });
  const isChange = pin.approvedDefinition !== null && pin.approved !== pin.offered;
  if (!isChange) return `${head}\n${shown(pretty(pin.offeredDefinition).split('\n'))}`;
  const lines = unifiedDiff(pretty(pin.approvedDefinition ?? ''), pretty(pin.offeredDefinition));
  const difference = lines.length === 0 ? ['(they differ in what is masked or cut here)'] : lines;
  return `${head}\nWhat was agreed to (-) and what is offered now (+):\n${shown(difference)}`;
}

function shown(lines: readonly string[]): string {
  return lines.map((line) => `  ${visible(line)}\n`).join('');
}

/** As it came when it is no JSON: a cut one. */
function pretty(definition: string): string {
  try {
    return JSON.stringify(JSON.parse(definition), null, 2);
  } catch {
    return definition;
  }
}
