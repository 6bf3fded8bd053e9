import { Option, type Command } from 'commander';
import type { z } from 'zod';
import type { WebhookView } from '../../contract/api-approvals.ts';
import { every } from '../arguments.ts';
import { table } from '../output.ts';
import { asked, type Cli } from '../session.ts';

type Webhook = z.infer<typeof WebhookView>;

export function addWebhookCommands(program: Command, cli: Cli): void {
  const group = program.command('webhook').description('who is told of approval requests');
  group
    .command('list')
    .description('all receivers, and how deliveries go')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listWebhooks', { limit: 1_000, cursor }));
      print(items, () => table(['NAME', 'FORMAT', 'URL', 'DELIVERED', 'WAITING', 'GIVEN UP', 'LAST ERROR'], items.map(rowOf)));
    });
  group
    .command('add <name>')
    .description('adds a receiver; the key that signs its messages is shown this once')
    .requiredOption('--to <url>', 'where messages are posted')
    .addOption(new Option('--format <format>', 'what the receiver understands').choices(['json', 'slack', 'teams']).default('json'))
    .action(async (name: string, { to: url, format }: { to: string; format: Webhook['format'] }, command: Command) => {
      const { client, print } = asked(command, cli);
      const webhook = await (await client()).call('createWebhook', { name, url, format });
      print(webhook, () => `${webhook.key}\n`);
      cli.io.err(`${name} is told from now on. Its receiver checks messages with this key; it is not shown again.\n`);
    });
  group
    .command('remove <name>')
    .description('removes a receiver and its key')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteWebhook', { name });
      print(done, () => `Removed ${name}.\n`);
    });
  group
    .command('test <name>')
    .description('sends a test message now')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const result = await (await client()).call('testWebhook', { name });
      print(result, () => table(['RESULT', ''], [[result.delivered ? 'delivered' : 'not delivered', result.detail]]));
      if (!result.delivered) cli.exitCode(1);
    });
}

function rowOf({ name, format, url, delivered, waiting, dead }: Webhook): string[] {
  const last = dead.at(-1);
  return [name, format, url, String(delivered), String(waiting), String(dead.length), last === undefined ? '–' : `${last.at} ${last.event}: ${last.error}`];
}
