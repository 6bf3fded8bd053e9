import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';
import { Client } from './client.ts';
import { json, type Io } from './output.ts';

/** The environment the command line reads; nothing else of it is looked at. */
export interface Environment {
  readonly POSTERN_DATA?: string | undefined;
  readonly POSTERN_TOKEN?: string | undefined;
  /** set by systemd for a unit with credentials */
  readonly CREDENTIALS_DIRECTORY?: string | undefined;
  /** set by systemd where standard output goes to its journal */
  readonly JOURNAL_STREAM?: string | undefined;
  /** where an approver's key is kept */
  readonly XDG_CONFIG_HOME?: string | undefined;
  readonly HOME?: string | undefined;
  /** set: no colours (no-color.org) */
  readonly NO_COLOR?: string | undefined;
}

const GlobalOptions = z.object({
  data: z.string().optional(),
  url: z.url({ protocol: /^https$/ }).optional(),
  ca: z.string().optional(),
  tokenFile: z.string().optional(),
  json: z.boolean().default(false),
});

/** `DIR/status.json`, written by the service. */
const StatusFile = z.object({ controlUrl: z.string() });

const defaultUrl = 'https://127.0.0.1:8443';

/** What every command gets: where the service is, who asks, and how to answer. */
export interface Cli {
  readonly io: Io;
  readonly environment: Environment;
  /** Ends the process with this code once the command is done. */
  exitCode(code: number): void;
}

export interface Asked {
  readonly dataDir: string;
  readonly json: boolean;
  /** the address that was given, if one was */
  readonly url: string | undefined;
  /** whether a file with a token was named */
  readonly namesToken: boolean;
  readonly client: () => Promise<Client>;
  /** JSON with --json, else text for people */
  readonly print: (value: unknown, text: () => string) => void;
}

export function addGlobalOptions(program: Command): void {
  program
    .option('--data <dir>', 'data directory (default: $POSTERN_DATA, else ./postern-data)')
    .option('--url <url>', 'address of the control API (default: the one in the data directory)')
    .option('--ca <file>', 'CA of the service (default: DIR/tls/ca.crt)')
    .option('--token-file <file>', 'file with your token (default: $POSTERN_TOKEN, else DIR/admin.token)')
    .option('--json', 'machine-readable output');
}

export function asked(command: Command, { io, environment }: Cli): Asked {
  const parsed = GlobalOptions.safeParse(command.optsWithGlobals());
  if (!parsed.success)
    throw fail('ERR_INVALID_INPUT', {
      message: 'An option is not valid.',
      faults: parsed.error.issues.map(({ path, message }) => ({ path: `--${path.join('.')}`, message })),
    });
  const options = parsed.data;
  const dataDir = resolve(options.data ?? environment.POSTERN_DATA ?? 'postern-data');
  const client = async (): Promise<Client> => {
    const [url, ca, token] = await Promise.all([options.url ?? urlOf(dataDir), caOf(options.ca, dataDir), tokenOf(options.tokenFile, dataDir, environment)]);
    return new Client({ url, ca, token });
  };
  const print = (value: unknown, text: () => string): void => {
    io.out(options.json ? json(value) : text());
  };
  return { dataDir, json: options.json, url: options.url, namesToken: options.tokenFile !== undefined, client, print };
}

async function urlOf(dataDir: string): Promise<string> {
  const text = await readOptional(join(dataDir, 'status.json'));
  if (text === undefined) return defaultUrl;
  const parsed = StatusFile.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data.controlUrl : defaultUrl;
}

async function caOf(file: string | undefined, dataDir: string): Promise<string | undefined> {
  return file === undefined ? readOptional(join(dataDir, 'tls', 'ca.crt')) : readNamed(file);
}

async function tokenOf(file: string | undefined, dataDir: string, environment: Environment): Promise<Secret<string> | undefined> {
  const text = file === undefined ? (environment.POSTERN_TOKEN ?? (await readOptional(join(dataDir, 'admin.token')))) : await readNamed(file);
  return text === undefined ? undefined : new Secret(text.trim());
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Throws ERR_INVALID_INPUT when the file cannot be read. */
export async function readNamed(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fail('ERR_INVALID_INPUT', { message: `${path} cannot be read.`, hint: 'Check the path and its permissions.', cause: error });
  }
}

const maxPasswordBytes = 16_384;

/** A credential from a file or standard input, never from the arguments; a terminal is asked without echo. */
export async function readPassword(file: string | undefined, io: Io, prompt: string): Promise<string> {
  const text = file === undefined ? await readInput(io, prompt) : await readNamed(file);
  const password = text.replace(/\r?\n$/, '');
  if (password === '') throw fail('ERR_INVALID_INPUT', { message: 'The credential is empty.', hint: 'Give it on standard input or with --password-file.' });
  return password;
}

async function readInput({ stdin, err }: Io, prompt: string): Promise<string> {
  if (stdin.isTTY) {
    err(`${prompt}: `);
    stdin.setRawMode(true);
  }
  try {
    let text = '';
    for await (const chunk of stdin) {
      text += String(chunk);
      if (text.length > maxPasswordBytes) throw fail('ERR_INVALID_INPUT', { message: 'The credential is too long.' });
      if (stdin.isTTY && text.includes('\u0003')) throw fail('ERR_INVALID_INPUT', { message: 'Interrupted.' });
      if (stdin.isTTY && /[\r\n]/.test(text)) break;
    }
    return stdin.isTTY ? (text.split(/[\r\n]/)[0] ?? '') : text;
  } finally {
    if (stdin.isTTY) {
      stdin.setRawMode(false);
      err('\n');
    }
  }
}
