import { Option, type Command } from 'commander';
import type { Input } from '../../contract/api.ts';
import { ResourceSettings } from '../../contract/api-views.ts';
import { fail } from '../../contract/errors.ts';
import { count, port } from '../arguments.ts';
import { resourceText } from '../resource-text.ts';
import { asked, readNamed, readPassword, type Cli } from '../session.ts';
import { analyserOf, reachOf, reachOptions, serverOptions, upstreamOf, type ReachOptions, type ServerOptions } from '../web-settings.ts';

interface CommonOptions {
  readonly account: string;
  readonly secretFile?: string;
  readonly listenPort?: number;
  readonly recordBytes?: number;
}

interface HttpOptions extends ReachOptions, CommonOptions {
  readonly maxBodyBytes: number;
  readonly otherBodies: 'refuse' | 'pass';
}

interface McpOptions extends ServerOptions, CommonOptions {
  readonly media: 'drop' | 'pass';
}

/** `resource add-http`, `resource add-mcp`, `resource apply`: what is reached through `/http/NAME/…` and `/mcp/NAME`. */
export function addWebResourceCommands(group: Command, cli: Cli): void {
  common(reachOptions(group.command('add-http <name>').description('adds an HTTP API; callers reach it at /http/NAME/…')))
    .option('--max-body-bytes <count>', 'longer bodies that must be seen whole are refused', count, 8_388_608)
    .addOption(new Option('--other-bodies <what>', 'bodies that cannot be searched for card data').choices(['refuse', 'pass']).default('refuse'))
    .action(async (name: string, options: HttpOptions, command: Command) => {
      const { target, maxBodyBytes, otherBodies } = options;
      if (target === undefined)
        throw fail('ERR_INVALID_INPUT', { message: 'An HTTP resource needs --target.', hint: 'See `postern resource add-http --help`.' });
      const reach = await reachOf(options);
      await create(command, cli, { name, protocol: 'http', ...commonOf(options), ...reach, bodies: { maxBytes: maxBodyBytes, other: otherBodies } }, options);
    });
  common(
    serverOptions(
      group.command('add-mcp <name> [args...]').description('adds an MCP server, or a group of them; callers reach it at /mcp/NAME or /mcp/group/NAME'),
    ),
  )
    .addOption(new Option('--media <what>', 'images, sound and other bytes that cannot be searched for card data').choices(['drop', 'pass']).default('drop'))
    .action(async (name: string, args: string[], options: McpOptions, command: Command) => {
      const upstream = await upstreamOf(options, args);
      const analysers = options.analyse.map(analyserOf);
      await create(command, cli, { name, protocol: 'mcp', ...commonOf(options), upstream, analysers, media: options.media }, options);
    });
  group
    .command('apply <name> <file>')
    .description('changes the settings to those of a JSON file, as `resource show --json` gives them; `-` is standard input')
    .action(async (name: string, file: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const patch = patchOf(file === '-' ? await readAll(cli) : await readNamed(file), file);
      const resource = await (await client()).call('updateResource', { ...patch, name });
      print(resource, () => resourceText(resource));
    });
}

function common(command: Command): Command {
  return command
    .option('--account <name>', 'the account at the target, or a name for what the credential stands for', 'service')
    .option('--secret-file <file>', 'read the credential from here; `-`, or nothing, is standard input')
    .option('--listen-port <port>', 'a port of its own', port)
    .option('--record-bytes <count>', 'masked bytes kept per operation', count);
}

function commonOf({ account, listenPort, recordBytes }: CommonOptions): Pick<Input<'createResource'>, 'account' | 'listenPort' | 'recording'> {
  return { account, ...(listenPort !== undefined && { listenPort }), ...(recordBytes !== undefined && { recording: { maxBytesPerOperation: recordBytes } }) };
}

async function create(command: Command, cli: Cli, settings: Input<'createResource'>, { secretFile }: CommonOptions): Promise<void> {
  const { client, print } = asked(command, cli);
  const asks = asksForSecret(settings);
  if (!asks && secretFile !== undefined)
    throw fail('ERR_INVALID_INPUT', {
      message: 'Nothing says how the target gets the credential.',
      hint: 'With --header, --basic, --mtls-certificate, --oauth-token-url, --secret-variable or --secret-file-variable.',
    });
  const password = asks ? await readPassword(secretFile === '-' ? undefined : secretFile, cli.io, `Credential of ${settings.name}`) : undefined;
  const resource = await (await client()).call('createResource', { ...settings, password });
  print(resource, () => resourceText(resource));
}

function asksForSecret({ credential, upstream }: Input<'createResource'>): boolean {
  if (credential !== undefined) return credential.type !== 'none';
  return upstream !== undefined && upstream.transport !== 'group' && upstream.credential.type !== 'none';
}

/** what `resource show` gives and nobody can change */
const fixed = ['id', 'name', 'createdAt', 'protocol'];

function patchOf(text: string, file: string): Omit<Input<'updateResource'>, 'name'> {
  const parsed = ResourceSettings.omit({ protocol: true }).partial().safeParse(withoutFixed(text));
  if (parsed.success) return parsed.data;
  throw fail('ERR_INVALID_INPUT', { faults: parsed.error.issues.map(({ path, message }) => ({ path: `${file}: ${path.join('.')}`, message })) });
}

function withoutFixed(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).filter(([name]) => !fixed.includes(name))) : value;
}

const maxInputChars = 1_048_576;

async function readAll({ io }: Cli): Promise<string> {
  let text = '';
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.length > maxInputChars) throw fail('ERR_INVALID_INPUT', { message: 'The settings are too long.' });
  }
  return text;
}
