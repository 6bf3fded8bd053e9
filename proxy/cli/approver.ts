import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { User } from '../contract/user.ts';
import { Secret } from '../lib/secret.ts';
import { signInBytes } from '../proof/decision.ts';
import { defaultKeyFile, readKeyFile, unlock, type KeyFile, type SigningKey } from './approver-key.ts';
import { Client } from './client.ts';
import { asked, type Cli } from './session.ts';
import { readPassphrase } from './terminal.ts';

/** A person with their unlocked key, and the service it is enrolled at. */
export interface Approver {
  readonly key: SigningKey;
  readonly keyId: string;
  /** A new token from a new signature. */
  signIn(): Promise<{ client: Client; user: User }>;
}

const KeyOptions = z.object({ keyFile: z.string().optional(), passphraseFile: z.string().optional() });

export function addKeyOptions(command: Command): Command {
  return command
    .option('--key-file <file>', 'your approver key (default: $XDG_CONFIG_HOME/postern/approver.json)')
    .option('--passphrase-file <file>', 'file with its passphrase; otherwise it is asked at the terminal');
}

/** The approver this machine belongs to. Throws ERR_UNAUTHENTICATED when no key is enrolled here. */
export async function approverOf(command: Command, cli: Cli): Promise<Approver> {
  const approver = await enrolledApprover(command, cli);
  if (approver !== null) return approver;
  throw fail('ERR_UNAUTHENTICATED', {
    message: 'There is no approver key on this machine.',
    hint: 'Enrol with `postern enrol CODE`, or name the key with --key-file.',
  });
}

/** For what approvers, administrators and auditors may do: by the approver's key where there is one, unless a token was named; otherwise by token. */
export async function connector(command: Command, cli: Cli): Promise<() => Promise<Client>> {
  const { client, namesToken } = asked(command, cli);
  if (namesToken && KeyOptions.parse(command.optsWithGlobals()).keyFile === undefined) return client;
  const approver = await enrolledApprover(command, cli);
  return approver === null ? client : async () => (await approver.signIn()).client;
}

async function enrolledApprover(command: Command, cli: Cli): Promise<Approver | null> {
  const { keyFile, passphraseFile } = KeyOptions.parse(command.optsWithGlobals());
  const path = keyFile ?? defaultKeyFile(cli.environment);
  const file = path === undefined ? null : await readKeyFile(path);
  if (file === null) {
    if (keyFile !== undefined)
      throw fail('ERR_INVALID_INPUT', { message: `There is no ${keyFile}.`, hint: 'Enrol with `postern enrol CODE --key-file FILE`.' });
    return null;
  }
  const key = await unlock(file, () => readPassphrase(passphraseFile, cli.io, `Passphrase of ${file.user} at ${file.url}: `));
  const { url = file.url } = asked(command, cli);
  return { key, keyId: file.keyId, signIn: () => signIn({ ...file, url }, key) };
}

/** Proves possession of the key. Throws ERR_CONFLICT when another key was enrolled since. */
async function signIn(file: KeyFile, key: SigningKey): Promise<{ client: Client; user: User }> {
  const { token, user } = await callSignIn(file, key);
  if (user.id !== file.userId || user.key?.id !== file.keyId)
    throw fail('ERR_CONFLICT', { message: 'Another key is enrolled for you now.', hint: 'If that was not you, tell an administrator at once.' });
  return { client: new Client({ url: file.url, ca: file.caPem, token }), user };
}

export async function callSignIn(
  { url, caPem, service, user: name }: Pick<KeyFile, 'url' | 'caPem' | 'service' | 'user'>,
  key: SigningKey,
): Promise<{ token: Secret<string>; user: User }> {
  const at = new Date().toISOString();
  const nonce = randomBytes(32).toString('base64url');
  const signature = key.sign(signInBytes({ service, user: name, at, nonce }));
  const { token, user } = await new Client({ url, ca: caPem, token: undefined }).call('signIn', { user: name, at, nonce, signature });
  return { token: new Secret(token), user };
}
