import type { Command } from 'commander';
import { fail } from '../../contract/errors.ts';
import type { User } from '../../contract/user.ts';
import { Secret } from '../../lib/secret.ts';
import { parseEnrolmentCode } from '../../contract/enrolment-code.ts';
import { defaultKeyFile } from '../approver-key.ts';
import { enrol } from '../enrolling.ts';
import { visible } from '../output.ts';
import { asked, type Cli } from '../session.ts';
import { readNewPassphrase } from '../terminal.ts';

interface EnrolmentOptions {
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly passphrase: boolean;
  readonly replace?: boolean;
}

export function addEnrolmentCommand(program: Command, cli: Cli): void {
  program
    .command('enrol <code>')
    .description('makes your approver key on this machine and enrols it; CODE comes from an administrator')
    .option('--key-file <file>', 'where the key is kept (default: $XDG_CONFIG_HOME/postern/approver.json)')
    .option('--passphrase-file <file>', 'file with the new passphrase; otherwise it is asked at the terminal, twice')
    .option('--no-passphrase', 'keep the key unencrypted')
    .option('--replace', 'overwrite the key that is there')
    .action(async (text: string, options: EnrolmentOptions, command: Command) => {
      const { print } = asked(command, cli);
      const code = parseEnrolmentCode(text);
      const path = options.keyFile ?? defaultKeyFile(cli.environment);
      if (path === undefined) throw fail('ERR_INVALID_INPUT', { message: 'There is no home directory for the key.', hint: 'Name a file with --key-file.' });
      if (!options.passphrase && options.passphraseFile !== undefined)
        throw fail('ERR_INVALID_INPUT', { message: '--passphrase-file and --no-passphrase exclude each other.', hint: 'Give one of them.' });
      const passphrase = async (): Promise<Secret<string> | null> =>
        options.passphrase ? new Secret(await readNewPassphrase(options.passphraseFile, cli.io)) : null;
      const user = await enrol(code, { path, replace: options.replace === true, passphrase });
      print({ user: user.name, userId: user.id, human: user.human, key: user.key?.id, publicKey: user.key?.publicKey, keyFile: path }, () =>
        doneText(user, path),
      );
    });
}

function doneText(user: User, path: string): string {
  const groups = user.groups.length === 0 ? 'no group yet' : `group ${user.groups.join(', ')}`;
  return `Enrolled ${visible(user.name)} (${visible(user.human)}), ${visible(groups)}.\nYour key is in ${path}; nobody can restore it.\nSee what waits with \`postern requests\`.\n`;
}
