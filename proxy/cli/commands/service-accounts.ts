import type { Command } from 'commander';
import type { ServiceAccountView, TokenView } from '../../contract/api-views.ts';
import { every, list, seconds } from '../arguments.ts';
import { fields, table } from '../output.ts';
import { asked, type Cli } from '../session.ts';

export function addServiceAccountCommands(program: Command, cli: Cli): void {
  const group = program.command('service-account').description('non-human principals');
  group
    .command('list')
    .description('all service accounts')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listServiceAccounts', { limit: 1_000, cursor }));
      print(items, () =>
        table(
          ['NAME', 'OWNER', 'GROUPS', 'STATE', 'PURPOSE'],
          items.map((item) => [item.name, item.owner, item.groups.join(','), stateOf(item), item.purpose]),
        ),
      );
    });
  group
    .command('show <name>')
    .description('one service account')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const account = await (await client()).call('showServiceAccount', { name });
      print(account, () => textOf(account));
    });
  group
    .command('create <name>')
    .description('creates one')
    .requiredOption('--owner <person>', 'who answers for it')
    .requiredOption('--purpose <text>', 'what it is for')
    .option('--group <name>', 'a group it belongs to; may be repeated', list, [])
    .action(async (name: string, { owner, purpose, group: groups }: { owner: string; purpose: string; group: string[] }, command: Command) => {
      const { client, print } = asked(command, cli);
      const account = await (await client()).call('createServiceAccount', { name, owner, purpose, groups });
      print(account, () => textOf(account));
    });
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    group
      .command(`${verb} <name>`)
      .description(disabled ? 'ends its sessions and refuses new ones' : 'lets it in again')
      .action(async (name: string, _options, command: Command) => {
        const { client, print } = asked(command, cli);
        const account = await (await client()).call('updateServiceAccount', { name, disabled });
        print(account, () => textOf(account));
      });
  }
  group
    .command('delete <name>')
    .description('deletes it with its tokens')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteServiceAccount', { name });
      print(done, () => `Deleted ${name}.\n`);
    });
}

export function addTokenCommands(program: Command, cli: Cli): void {
  const group = program.command('token').description('what a service account shows to be let in');
  group
    .command('create <service-account>')
    .description('issues a token; it is shown this once')
    .option('--expires <duration>', 'how long it is good: 90s, 15m, 8h, 30d', seconds, 30 * 86_400)
    .option('--resource <name>', 'a resource it is good for; may be repeated (default: all)', list, [])
    .option('--network <cidr>', 'a network it may come from; may be repeated (default: any)', list, [])
    .option('--role <role>', 'a role at the control API: administrator or auditor; may be repeated', list, [])
    .action(
      async (
        serviceAccount: string,
        options: { expires: number; resource: string[]; network: string[]; role: ('administrator' | 'auditor')[] },
        command: Command,
      ) => {
        const { client, print } = asked(command, cli);
        const token = await (await client()).call('createToken', {
          serviceAccount,
          expiresInSeconds: options.expires,
          resources: options.resource,
          networks: options.network,
          roles: options.role,
        });
        print(token, () => `${token.token}\n`);
        cli.io.err(`${token.id} is good until ${token.expiresAt}. It is not shown again.\n`);
      },
    );
  group
    .command('list')
    .description('tokens, without the tokens themselves')
    .option('--service-account <name>')
    .action(async ({ serviceAccount }: { serviceAccount?: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listTokens', { serviceAccount, limit: 1_000, cursor }));
      const accounts = await every((cursor) => api.call('listServiceAccounts', { limit: 1_000, cursor }));
      const names = new Map(accounts.map(({ id, name }) => [id, name]));
      print(items, () =>
        table(
          ['ID', 'SERVICE ACCOUNT', 'EXPIRES', 'STATE', 'RESOURCES', 'NETWORKS', 'ROLES'],
          items.map((token) => tokenRow(token, names.get(token.serviceAccount) ?? token.serviceAccount)),
        ),
      );
    });
  group
    .command('revoke <id>')
    .description('ends its sessions within a second')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const token = await (await client()).call('revokeToken', { id });
      print(token, () => `Revoked ${id}.\n`);
    });
}

function tokenRow(token: TokenView, account: string): string[] {
  const state = token.revokedAt === null ? 'issued' : 'revoked';
  return [token.id, account, token.expiresAt, state, token.resources.join(',') || 'all', token.networks.join(',') || 'any', token.roles.join(',') || '–'];
}

function stateOf(account: ServiceAccountView): string {
  return account.disabled ? 'disabled' : 'enabled';
}

function textOf(account: ServiceAccountView): string {
  const { name, owner, purpose, groups, createdAt, id } = account;
  return fields({ name, state: stateOf(account), owner, purpose, groups: groups.join(', '), created: createdAt, id });
}
