import { Option, type Command } from 'commander';
import { fail } from '../contract/errors.ts';
import type { AppError } from '../lib/errors.ts';
import type { Analyser, ChildCredential, HttpCredential, McpUpstream } from '../contract/resource.ts';
import { list } from './arguments.ts';
import { filesAmong, pinnedFiles } from './pinned-files.ts';
import { readNamed } from './session.ts';

export interface ReachOptions {
  readonly target?: string;
  readonly targetCa?: string;
  readonly allowLocal?: boolean;
  readonly header?: string;
  readonly basic?: boolean;
  readonly mtlsCertificate?: string;
  readonly oauthTokenUrl?: string;
  readonly oauthClientId?: string;
  readonly oauthAuthentication: Extract<HttpCredential, { type: 'oauth-client-credentials' }>['authentication'];
  readonly oauthScope?: string;
  readonly oauthResource?: string;
}

export interface ServerOptions extends ReachOptions {
  readonly transport: 'streamable-http' | 'sse';
  readonly command?: string;
  readonly env: readonly string[];
  readonly secretVariable?: string;
  readonly secretFileVariable?: string;
  readonly directory?: string;
  readonly sandbox: 'required' | 'none';
  readonly network?: boolean;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly pin?: boolean;
  readonly pinPath: readonly string[];
  readonly member: readonly string[];
  readonly analyse: readonly string[];
}

/** How a target is reached over HTTP and what it is shown. */
export function reachOptions(command: Command): Command {
  return command
    .option('--target <url>', 'address of the target')
    .option('--target-ca <file>', "PEM of the CA of the target (default: the system's)")
    .option('--allow-local', 'the target may be on this machine')
    .option('--header <name: prefix>', "the credential goes into this header: 'Authorization: Bearer', 'X-Api-Key'")
    .option('--basic', 'the credential is the password of the account (HTTP Basic)')
    .option('--mtls-certificate <file>', 'PEM of the client certificate; the credential is its private key')
    .option('--oauth-token-url <url>', 'where a token is got with the credential (client credentials)')
    .option('--oauth-client-id <id>', 'the client id there')
    .addOption(
      new Option('--oauth-authentication <how>', 'how the client proves itself')
        .choices(['client_secret_basic', 'client_secret_post', 'private_key_jwt'])
        .default('client_secret_basic'),
    )
    .option('--oauth-scope <scope>', 'what is asked for')
    .option('--oauth-resource <uri>', 'for whom (RFC 8707)');
}

/** How an MCP server is started or reached. */
export function serverOptions(command: Command): Command {
  return reachOptions(command)
    .addOption(new Option('--transport <name>', 'of a server at --target').choices(['streamable-http', 'sse']).default('streamable-http'))
    .option('--command <path>', 'a server on this machine: its program, installed before; arguments follow after --')
    .option('--env <name=value>', 'a variable of its environment that is no secret', list, [])
    .option('--secret-variable <name>', 'the variable that gets the credential')
    .option('--secret-file-variable <name>', 'the variable that gets the path of a file with the credential')
    .option('--directory <path>', 'where it runs')
    .addOption(new Option('--sandbox <when>', 'required: no sandbox, no server').choices(['required', 'none']).default('required'))
    .option('--network', 'it may use the network')
    .option('--read <path>', 'it may read this', list, [])
    .option('--write <path>', 'it may read and write this', list, [])
    .option('--pin', 'it starts only while program and files among its arguments are what they are now')
    .option('--pin-path <path>', 'the same for this file, or all below this folder', list, [])
    .option('--member <resource>', 'a group: servers that are offered as one', list, [])
    .option('--analyse <rule>', 'an argument that is decided, too: "TOOL /pointer sql:RESOURCE/DATABASE", "… command", "… url:PATTERN,PATTERN"', list, []);
}

export async function reachOf(options: ReachOptions): Promise<{ url?: string; ca?: string; allowLocal: boolean; credential: HttpCredential }> {
  const { target: url, targetCa, allowLocal = false } = options;
  return {
    ...(url !== undefined && { url }),
    ...(targetCa !== undefined && { ca: await readNamed(targetCa) }),
    allowLocal,
    credential: await credentialOf(options),
  };
}

async function credentialOf(options: ReachOptions): Promise<HttpCredential> {
  const { header, basic, mtlsCertificate, oauthTokenUrl } = options;
  const given = [header, basic, mtlsCertificate, oauthTokenUrl].filter((option) => option !== undefined);
  if (given.length > 1)
    throw usage('A target is shown its credential in one way only.', 'Choose one of --header, --basic, --mtls-certificate and --oauth-token-url.');
  if (header !== undefined) {
    const [name = '', ...prefix] = header.split(':');
    return { type: 'header', header: name.trim(), prefix: prefix.join(':').trim() };
  }
  if (basic === true) return { type: 'basic' };
  if (mtlsCertificate !== undefined) return { type: 'mtls', certificate: await readNamed(mtlsCertificate) };
  return oauthTokenUrl === undefined ? { type: 'none' } : oauthOf(oauthTokenUrl, options);
}

function oauthOf(tokenUrl: string, { oauthClientId, oauthAuthentication, oauthScope = '', oauthResource = '' }: ReachOptions): HttpCredential {
  if (oauthClientId === undefined) throw usage('A client has an id.', 'Name it with --oauth-client-id.');
  return {
    type: 'oauth-client-credentials',
    tokenUrl,
    clientId: oauthClientId,
    authentication: oauthAuthentication,
    scope: oauthScope,
    resource: oauthResource,
  };
}

/** `args`: what follows `--`. */
export async function upstreamOf(options: ServerOptions, args: readonly string[]): Promise<McpUpstream> {
  const { target: url, command, member } = options;
  if ([url, command, member[0]].filter((option) => option !== undefined).length !== 1)
    throw usage('An MCP resource is one of three things.', 'Give --target (a server elsewhere), --command (a server on this machine) or --member (a group).');
  if (command !== undefined) return childOf(command, args, options);
  if (args.length > 0) throw usage('Only a server with --command has arguments.', 'See `postern resource add-mcp --help`.');
  if (url === undefined) return { transport: 'group', members: [...member] };
  return { transport: options.transport, ...(await reachOf(options)), url };
}

async function childOf(command: string, args: readonly string[], options: ServerOptions): Promise<McpUpstream> {
  const { directory = null, sandbox, network = false, read, write, pin, pinPath } = options;
  const pinned = [...(pin === true ? [command, ...(await filesAmong(args))] : []), ...pinPath];
  return {
    transport: 'stdio',
    command,
    args: [...args],
    environment: Object.fromEntries(options.env.map(variable)),
    credential: childCredential(options),
    directory,
    integrity: await pinnedFiles(pinned),
    sandbox,
    network,
    readable: [...read],
    writable: [...write],
  };
}

function childCredential({ secretVariable, secretFileVariable }: ServerOptions): ChildCredential {
  if (secretVariable !== undefined) return { type: 'environment', variable: secretVariable };
  return secretFileVariable === undefined ? { type: 'none' } : { type: 'file', variable: secretFileVariable };
}

function variable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw usage(`${text} is not NAME=VALUE.`, 'Secrets go into the vault: --secret-variable NAME.');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `TOOL /pointer sql:RESOURCE/DATABASE`, `TOOL /pointer command`, `TOOL /pointer url:PATTERN,PATTERN` */
export function analyserOf(text: string): Analyser {
  const [, tool, pointer, as, rest] = /^(\S+) (\/\S+) (sql|command|url)(?::(.*))?$/.exec(text) ?? [];
  if (tool === undefined || pointer === undefined) throw usage(`${text} is no rule for an argument.`, 'Write it as "query /sql sql:payments/payments".');
  if (as === 'command') return { tool, pointer, reads: { as } };
  if (as === 'url') return { tool, pointer, reads: { as, allow: (rest ?? '').split(',').filter((pattern) => pattern !== '') } };
  const [resource, database] = (rest ?? '').split('/');
  if (!resource || !database) throw usage(`${text} does not say on which database.`, 'Write it as "query /sql sql:RESOURCE/DATABASE".');
  return { tool, pointer, reads: { as: 'sql', resource, database } };
}

function usage(message: string, hint: string): AppError {
  return fail('ERR_INVALID_INPUT', { message, hint });
}
