import type { Command } from 'commander';
import type { SessionView } from '../../contract/api-views.ts';
import { count } from '../arguments.ts';
import { fields, table } from '../output.ts';
import { fail } from '../../contract/errors.ts';
import type { Client } from '../client.ts';
import { replayText } from '../replay.ts';
import { asked, type Cli } from '../session.ts';

export function addSessionCommands(program: Command, cli: Cli): void {
  const group = program.command('sessions').description('live and ended sessions');
  group
    .command('list', { isDefault: true })
    .description('newest first')
    .option('--live', 'only live ones')
    .option('--principal <name>')
    .option('--resource <name>')
    .option('--limit <count>', 'how many', count, 50)
    .action(async (options: { live?: boolean; principal?: string; resource?: string; limit: number }, command: Command) => {
      const { client, print } = asked(command, cli);
      const { live, principal, resource, limit } = options;
      const { items } = await (await client()).call('listSessions', { ...(live === true && { state: 'live' as const }), principal, resource, limit });
      print(items, () => table(['SESSION', 'STATE', 'PRINCIPAL', 'RESOURCE', 'STARTED', 'OPERATIONS', 'FROM'], items.map(rowOf)));
    });
  group
    .command('show <id>')
    .description('one session')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const session = await (await client()).call('showSession', { id });
      print(session, () => fields({ ...session, protocol: session.protocol ?? null }));
    });
  group
    .command('replay <id>')
    .description('its recording: commands, masked results, outcomes; `last` is the newest session')
    .action(async (id: string, _options, command: Command) => {
      const { client, json } = asked(command, cli);
      const api = await client();
      const entries = api.stream('readRecording', { id: id === 'last' ? await newest(api) : id });
      if (json) for await (const entry of entries) cli.io.out(`${JSON.stringify(entry)}\n`);
      else for await (const text of replayText(entries)) cli.io.out(text);
    });
  group
    .command('kill <id>')
    .description('ends a live session, also at the target')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('killSession', { id, reason });
      print(done, () => `Ended ${id}.\n`);
    });
}

async function newest(api: Client): Promise<string> {
  const { items } = await api.call('listSessions', { limit: 1 });
  const [session] = items;
  if (session === undefined) throw fail('ERR_NOT_FOUND', { message: 'There is no session yet.' });
  return session.id;
}

function rowOf(session: SessionView): string[] {
  const { id, state, principal, resource, startedAt, operations, address } = session;
  return [id, state, principal, resource, startedAt, String(operations), address];
}
