import type { Command } from 'commander';
import type { WitnessView } from '../../contract/api-console.ts';
import { every } from '../arguments.ts';
import { table } from '../output.ts';
import { asked, type Cli } from '../session.ts';

export function addWitnessCommands(program: Command, cli: Cli): void {
  const group = program.command('witness').description('devices that keep and cosign checkpoints of the log');
  group
    .command('list')
    .description('all witnesses, and what each cosigned last')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listWitnesses', { limit: 1_000, cursor }));
      print(items, () => table(['ID', 'NAME', 'USER', 'REGISTERED', 'COSIGNED', 'EVENTS', 'KEY'], items.map(rowOf)));
    });
  group
    .command('remove <id>')
    .description('forgets a device; what it cosigned stays in the log')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteWitness', { id });
      print(done, () => `Removed ${id}.\n`);
    });
}

function rowOf({ id, name, user, registeredAt, last, key }: WitnessView): string[] {
  return [id, name, user, registeredAt, last?.at ?? 'not yet', last === null ? '–' : String(last.size), key];
}
