import type { Command } from 'commander';
import type { z } from 'zod';
import type { TargetTls } from '../../contract/resource.ts';
import { fail } from '../../contract/errors.ts';
import type { MaskingRule } from '../../contract/masking-rule.ts';
import { MaskingRules } from '../../contract/api-views.ts';
import { count, every, port } from '../arguments.ts';
import { table } from '../output.ts';
import { resourceTable, resourceText } from '../resource-text.ts';
import { asked, readNamed, readPassword, type Cli } from '../session.ts';
import { addWebResourceCommands } from './web-resources.ts';

interface ResourceOptions {
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly account?: string;
  readonly listenPort?: number;
  readonly sharedPortOnly?: boolean;
  readonly tlsCa?: string;
  readonly tlsServerName?: string;
  readonly tls?: string;
  readonly recordBytes?: number;
  readonly passwordFile?: string;
}

export function addResourceCommands(program: Command, cli: Cli): void {
  const group = program.command('resource').description('what can be reached');
  group
    .command('list')
    .description('all resources')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const items = await every((cursor) => api.call('listResources', { limit: 1_000, cursor }));
      print(items, () => resourceTable(items));
    });
  group
    .command('show <name>')
    .description('one resource')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const resource = await (await client()).call('showResource', { name });
      print(resource, () => resourceText(resource));
    });
  addChanges(group, cli);
  addWebResourceCommands(group, cli);
  group
    .command('remove <name>')
    .description('removes it and its credential')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteResource', { name });
      print(done, () => `Removed ${name}.\n`);
    });
  group
    .command('test <name>')
    .description('logs in at the target with the vaulted credential')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const result = await (await client()).call('testResource', { name });
      print(result, () => `${result.reached ? 'reached' : 'not reached'}: ${result.detail} (${String(result.durationMs)} ms)\n`);
      if (!result.reached) cli.exitCode(1);
    });
}

function addChanges(group: Command, cli: Cli): void {
  settings(group.command('add <name>').description('adds a PostgreSQL database; the credential is read from standard input (others: add-http, add-mcp)'))
    .option('--password-file <file>', 'read the credential from here')
    .action(async (name: string, options: ResourceOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const { host, port: targetPort = 5_432, database, account } = options;
      if (host === undefined || database === undefined || account === undefined)
        throw fail('ERR_INVALID_INPUT', { message: 'A resource needs --host, --database and --account.', hint: 'See `postern resource add --help`.' });
      const tls = (await tlsOf(options)) ?? { mode: 'verify-full' as const };
      const password = await readPassword(options.passwordFile, cli.io, `Password of ${account} at ${host}`);
      const resource = await (await client()).call('createResource', {
        name,
        protocol: 'postgres',
        host,
        port: targetPort,
        database,
        account,
        tls,
        password,
        ...optional(options),
      });
      print(resource, () => resourceText(resource));
    });
  settings(group.command('update <name>').description('changes one; with --password-file - also its credential, from standard input (all settings: apply)'))
    .option('--password-file <file>', 'replace the credential by this one; `-` is standard input')
    .action(async (name: string, options: ResourceOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const { passwordFile } = options;
      if (passwordFile !== undefined) {
        const password = await readPassword(passwordFile === '-' ? undefined : passwordFile, cli.io, `New password for ${name}`);
        await api.call('setResourceCredential', { name, password });
      }
      const tls = await tlsOf(options);
      const { host, port: targetPort, database, account } = options;
      const patch = { host, port: targetPort, database, account, tls, ...optional(options) };
      const changed = Object.values(patch).some((value) => value !== undefined);
      const resource = changed ? await api.call('updateResource', { name, ...patch }) : await api.call('showResource', { name });
      print(resource, () => resourceText(resource));
    });
}

export function addMaskingCommands(program: Command, cli: Cli): void {
  const group = program.command('masking').description('tagged columns');
  const tagged = '<resource> <schema.table.column>';
  const put = async (command: Command, change: (rules: MaskingRule[]) => MaskingRule[]): Promise<void> => {
    const { client, print } = asked(command, cli);
    const api = await client();
    const { rules } = await api.call('getMaskingRules', {});
    const after = await api.call('putMaskingRules', { rules: change(rules) });
    print(after.rules, () => ruleTable(after.rules));
  };
  group
    .command('list')
    .description('all tagged columns')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const { rules } = await (await client()).call('getMaskingRules', {});
      print(rules, () => ruleTable(rules));
    });
  group
    .command('set <file>')
    .description('replaces all by those of a JSON file, as `masking list --json` gives them')
    .action(async (file: string, _options, command: Command) => {
      const parsed = MaskingRules.safeParse(JSON.parse(await readNamed(file)));
      if (!parsed.success)
        throw fail('ERR_INVALID_INPUT', { faults: parsed.error.issues.map(({ path, message }) => ({ path: `${file}: ${path.join('.')}`, message })) });
      await put(command, () => parsed.data);
    });
  const add = group
    .command(`add ${tagged}`)
    .description('tags a column')
    .requiredOption('--tag <tag>', 'pan (first 6 + last 4), sad (never shown) or other (hidden)');
  add.action(async (resource: string, path: string, { tag }: { tag: MaskingRule['tag'] }, command: Command) => {
    await put(command, (rules) => [...rules.filter((rule) => !isAt(rule, resource, path)), { resource, ...columnOf(path), tag }]);
  });
  group
    .command(`remove ${tagged}`)
    .description('takes the tag from a column')
    .action(async (resource: string, path: string, _options, command: Command) => {
      await put(command, (rules) => {
        const rest = rules.filter((rule) => !isAt(rule, resource, path));
        if (rest.length === rules.length) throw fail('ERR_NOT_FOUND', { message: `${path} of ${resource} has no tag.` });
        return rest;
      });
    });
}

function settings(command: Command): Command {
  return command
    .option('--host <host>', 'host of the target')
    .option('--port <port>', 'its port', port)
    .option('--database <name>', "the target's database when the caller names none")
    .option('--account <name>', 'the account at the target')
    .option('--tls <mode>', 'disable or verify-full (default)')
    .option('--tls-ca <file>', "PEM of the CA of the target (default: the system's)")
    .option('--tls-server-name <name>', 'name in the certificate of the target')
    .option('--listen-port <port>', 'a port of its own', port)
    .option('--shared-port-only', 'no port of its own')
    .option('--record-bytes <count>', 'masked result bytes kept per operation', count);
}

async function tlsOf({ tls, tlsCa, tlsServerName }: ResourceOptions): Promise<z.infer<typeof TargetTls> | undefined> {
  if (tls === 'disable') return { mode: 'disable' };
  if (tls !== undefined && tls !== 'verify-full')
    throw fail('ERR_INVALID_INPUT', { message: '--tls is disable or verify-full.', hint: 'There is no mode that encrypts without checking the certificate.' });
  if (tls === undefined && tlsCa === undefined && tlsServerName === undefined) return undefined;
  return { mode: 'verify-full', ...(tlsCa !== undefined && { ca: await readNamed(tlsCa) }), ...(tlsServerName !== undefined && { serverName: tlsServerName }) };
}

function optional({ listenPort, sharedPortOnly, recordBytes }: ResourceOptions): { listenPort?: number | null; recording?: { maxBytesPerOperation: number } } {
  return {
    ...(listenPort !== undefined && { listenPort }),
    ...(sharedPortOnly === true && { listenPort: null }),
    ...(recordBytes !== undefined && { recording: { maxBytesPerOperation: recordBytes } }),
  };
}

function columnOf(path: string): { schema: string; table: string; column: string } {
  const [schema, name, column, more] = path.split('.');
  if (!schema || !name || !column || more !== undefined)
    throw fail('ERR_INVALID_INPUT', {
      message: `${path} is not schema.table.column.`,
      hint: 'Names that contain a dot go through `postern masking set FILE`.',
    });
  return { schema, table: name, column };
}

function isAt(rule: MaskingRule, resource: string, path: string): boolean {
  return rule.resource === resource && `${rule.schema}.${rule.table}.${rule.column}` === path;
}

function ruleTable(rules: readonly MaskingRule[]): string {
  return table(
    ['RESOURCE', 'COLUMN', 'TAG'],
    rules.map((rule) => [rule.resource, `${rule.schema}.${rule.table}.${rule.column}`, rule.tag]),
  );
}
