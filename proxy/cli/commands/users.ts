import type { Command } from 'commander';
import { User } from '../../contract/user.ts';
import { fail } from '../../contract/errors.ts';
import { parseEnrolmentCode } from '../../contract/enrolment-code.ts';
import { every, list, seconds } from '../arguments.ts';
import { fields, table } from '../output.ts';
import { asked, type Cli } from '../session.ts';

interface UserOptions {
  readonly human?: string;
  readonly group: string[];
  readonly clearGroups?: boolean;
  readonly role: string[];
  readonly clearRoles?: boolean;
}

export function addUserCommands(program: Command, cli: Cli): void {
  const group = program.command('user').description('people who decide on approval requests, administer or audit');
  group
    .command('list')
    .description('all of them')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listUsers', { limit: 1_000, cursor }));
      print(items, () => table(['NAME', 'HUMAN', 'GROUPS', 'ROLES', 'STATE', 'KEY'], items.map(rowOf)));
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
    .option('--role <name>', 'administrator or auditor; may be repeated', list, [])
    .action(async (name: string, { human, group: groups, role }: { human: string; group: string[]; role: string[] }, command: Command) => {
      const { client, print } = asked(command, cli);
      const user = await (await client()).call('createUser', { name, human, groups, roles: rolesOf(role) });
      print(user, () => textOf(user));
    });
  group
    .command('update <name>')
    .description('changes a person')
    .option('--human <id>', 'who this is')
    .option('--group <name>', 'the groups from now on; may be repeated', list, [])
    .option('--clear-groups', 'no group at all')
    .option('--role <name>', 'the roles from now on: administrator, auditor; may be repeated', list, [])
    .option('--clear-roles', 'no role at all')
    .action(async (name: string, options: UserOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const user = await (await client()).call('updateUser', { name, ...changeOf(options) });
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

function changeOf({ human, group, clearGroups, role, clearRoles }: UserOptions): Partial<Pick<User, 'human' | 'groups' | 'roles'>> {
  const groups = listed({ names: group, clear: clearGroups === true, option: 'group' });
  const roles = listed({ names: role, clear: clearRoles === true, option: 'role' });
  const change = { ...(human !== undefined && { human }), ...(groups && { groups }), ...(roles && { roles: rolesOf(roles) }) };
  if (Object.keys(change).length === 0)
    throw fail('ERR_INVALID_INPUT', { message: 'Nothing to change.', hint: 'Give --human, --group, --clear-groups, --role or --clear-roles.' });
  return change;
}

/** Null: they stay as they are. */
function listed({ names, clear, option }: { names: string[]; clear: boolean; option: string }): string[] | null {
  if (clear && names.length > 0)
    throw fail('ERR_INVALID_INPUT', { message: `--${option} and --clear-${option}s exclude each other.`, hint: 'Give one of them.' });
  return clear || names.length > 0 ? names : null;
}

function rolesOf(names: readonly string[]): User['roles'] {
  const parsed = User.shape.roles.safeParse([...new Set(names)]);
  if (!parsed.success) throw fail('ERR_INVALID_INPUT', { message: 'A role is administrator or auditor.' });
  return parsed.data;
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
        `In a browser they open ${consoleLink(invitation.code)}`,
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

/** The console takes the code behind the #, which never leaves the browser. */
function consoleLink(code: string): string {
  return `${parseEnrolmentCode(code).url}/#enrol=${code}`;
}

function rowOf(user: User): string[] {
  const { name, human, groups, roles, disabled, key } = user;
  return [name, human, groups.join(',') || '–', roles.join(',') || '–', disabled ? 'disabled' : 'enabled', key === null ? 'not enrolled' : key.id];
}

function textOf({ name, human, groups, roles, disabled, key, createdAt, id }: User): string {
  return fields({
    name,
    human,
    groups: groups.join(', '),
    roles: roles.join(', '),
    state: disabled ? 'disabled' : 'enabled',
    key: key === null ? 'not enrolled' : `${key.id}, enrolled ${key.enrolledAt}`,
    created: createdAt,
    id,
  });
}
