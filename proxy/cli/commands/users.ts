import type { Command } from 'commander';
import type { User } from '../../contract/user.ts';
import { fail } from '../../contract/errors.ts';
import { every, list, seconds } from '../arguments.ts';
import { fields, table } from '../output.ts';
import { asked, type Cli } from '../session.ts';

interface UserOptions {
  readonly human?: string;
  readonly group: string[];
  readonly clearGroups?: boolean;
}

export function addUserCommands(program: Command, cli: Cli): void {
  const group = program.command('user').description('people who decide on approval requests');
  group
    .command('list')
    .description('all of them')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listUsers', { limit: 1_000, cursor }));
      print(items, () => table(['NAME', 'HUMAN', 'GROUPS', 'STATE', 'KEY'], items.map(rowOf)));
    });
  addChanges(group, cli);
  group
    .command('remove <name>')
    .description('removes a person and their key')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteUser', { name });
      print(done, () => `Removed ${name}.\n`);
    });
  addInvitations(group, cli);
}

function addChanges(group: Command, cli: Cli): void {
  group
    .command('add <name>')
    .description('adds a person; they can decide once they have enrolled a key (see `postern user invite`)')
    .requiredOption('--human <id>', 'who this is, whatever the account: staff number or mail address; approvals count humans')
    .option('--group <name>', 'a group whose requests they decide; may be repeated', list, [])
    .action(async (name: string, { human, group: groups }: { human: string; group: string[] }, command: Command) => {
      const { client, print } = asked(command, cli);
      const user = await (await client()).call('createUser', { name, human, groups });
      print(user, () => textOf(user));
    });
  group
    .command('update <name>')
    .description('changes a person')
    .option('--human <id>', 'who this is')
    .option('--group <name>', 'the groups from now on; may be repeated', list, [])
    .option('--clear-groups', 'no group at all')
    .action(async (name: string, { human, group: groups, clearGroups }: UserOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      if (clearGroups === true && groups.length > 0)
        throw fail('ERR_INVALID_INPUT', { message: '--group and --clear-groups exclude each other.', hint: 'Give one of them.' });
      if (human === undefined && groups.length === 0 && clearGroups !== true)
        throw fail('ERR_INVALID_INPUT', { message: 'Nothing to change.', hint: 'Give --human, --group or --clear-groups.' });
      const change = { ...(human !== undefined && { human }), ...((groups.length > 0 || clearGroups === true) && { groups }) };
      const user = await (await client()).call('updateUser', { name, ...change });
      print(user, () => textOf(user));
    });
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    group
      .command(`${verb} <name>`)
      .description(disabled ? 'their signatures no longer count, and they are signed out' : 'lets them decide again')
      .action(async (name: string, _options, command: Command) => {
        const { client, print } = asked(command, cli);
        const user = await (await client()).call('updateUser', { name, disabled });
        print(user, () => textOf(user));
      });
  }
}

function addInvitations(group: Command, cli: Cli): void {
  group
    .command('invite <name>')
    .description('a one-time code to enrol a key; to replace a key a second administrator must confirm it')
    .option('--expires <duration>', 'how long it is good: 15m, 24h, 7d', seconds, 86_400)
    .action(async (name: string, { expires }: { expires: number }, command: Command) => {
      const { client, print } = asked(command, cli);
      const invitation = await (await client()).call('inviteUser', { name, expiresInSeconds: expires });
      print(invitation, () => `${invitation.code}\n`);
      const steps = [
        `Good once, until ${invitation.expiresAt}; it is not shown again.`,
        ...(invitation.replaces ? [`It replaces a key: another administrator must run \`postern user confirm ${invitation.id}\` first.`] : []),
        `Give it to ${name} in person or over a channel that nobody else reads. On their own machine they run: postern enrol CODE`,
      ];
      cli.io.err(`${steps.join('\n')}\n`);
    });
  group
    .command('confirm <invitation>')
    .description('as the second administrator, lets a key be replaced; make sure that the person asked for it')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const invitation = await (await client()).call('confirmInvitation', { id });
      print(invitation, () => `Confirmed ${id}, made by ${invitation.invitedBy}; good until ${invitation.expiresAt}.\n`);
    });
}

function rowOf(user: User): string[] {
  const { name, human, groups, disabled, key } = user;
  return [name, human, groups.join(',') || '–', disabled ? 'disabled' : 'enabled', key === null ? 'not enrolled' : key.id];
}

function textOf({ name, human, groups, disabled, key, createdAt, id }: User): string {
  return fields({
    name,
    human,
    groups: groups.join(', '),
    state: disabled ? 'disabled' : 'enabled',
    key: key === null ? 'not enrolled' : `${key.id}, enrolled ${key.enrolledAt}`,
    created: createdAt,
    id,
  });
}
