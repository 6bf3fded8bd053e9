import { homedir } from 'node:os';
import { Command, CommanderError } from 'commander';
import { asAppError } from '../contract/errors.ts';
import { addAccessCommands } from './commands/access.ts';
import { addAuditCommands } from './commands/audit.ts';
import { addEnrolmentCommand } from './commands/enrolment.ts';
import { addPolicyCommands } from './commands/policies.ts';
import { addRequestCommands } from './commands/requests.ts';
import { addMaskingCommands, addResourceCommands } from './commands/resources.ts';
import { addRunCommands } from './commands/run.ts';
import { addServiceAccountCommands, addTokenCommands } from './commands/service-accounts.ts';
import { addServiceCommands } from './commands/service.ts';
import { addSessionCommands } from './commands/sessions.ts';
import { addToolCommands } from './commands/tools.ts';
import { addTrustRuleCommands } from './commands/trust-rules.ts';
import { addUserCommands } from './commands/users.ts';
import { addWebhookCommands } from './commands/webhooks.ts';
import { addWitnessCommands } from './commands/witnesses.ts';
import { errorText, type Io } from './output.ts';
import { addGlobalOptions, type Cli, type Environment } from './session.ts';

/** Runs one command line. Gives the exit code: 0 done, 1 refused or failed verification, 2 usage. */
export async function runCli(argv: readonly string[], io: Io, environment: Environment): Promise<number> {
  let code = 0;
  const cli: Cli = {
    io,
    environment,
    exitCode: (wanted) => {
      code = wanted;
    },
  };
  const program = createProgram(cli);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const fault = asAppError(error);
    io.err(errorText(fault));
    if (fault.code === 'ERR_INTERNAL' && fault.detail !== undefined) io.err(`${fault.detail}\n`);
    return fault.code === 'ERR_INVALID_INPUT' ? 2 : 1;
  }
}

/** All commands. */
export function createProgram(cli: Cli): Command {
  const { io } = cli;
  const program = new Command('postern')
    .description('On-prem access gateway: identified, decided, masked, recorded, provable')
    .showHelpAfterError('(see --help)');
  // before the commands are added: they inherit both
  program.exitOverride().configureOutput({ writeOut: io.out, writeErr: io.err });
  addGlobalOptions(program);
  addRunCommands(program, cli);
  addServiceCommands(program, cli);
  addServiceAccountCommands(program, cli);
  addTokenCommands(program, cli);
  addTrustRuleCommands(program, cli);
  addResourceCommands(program, cli);
  addToolCommands(program, cli);
  addPolicyCommands(program, cli);
  addMaskingCommands(program, cli);
  addSessionCommands(program, cli);
  addRequestCommands(program, cli);
  addAccessCommands(program, cli);
  addUserCommands(program, cli);
  addEnrolmentCommand(program, cli);
  addWebhookCommands(program, cli);
  addWitnessCommands(program, cli);
  addAuditCommands(program, cli);
  return program;
}

/** Runs a command line with this process's streams and environment; its exit code becomes the process's. */
export async function runProcess(argv: readonly string[]): Promise<void> {
  const io: Io = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    stdin: process.stdin,
    isTerminal: process.stdout.isTTY,
  };
  // a closed pipe (`| head`) is no fault
  process.stdout.on('error', () => process.exit(0));
  const { POSTERN_DATA, POSTERN_TOKEN, CREDENTIALS_DIRECTORY, JOURNAL_STREAM, XDG_CONFIG_HOME, HOME = homedir(), NO_COLOR } = process.env;
  process.exitCode = await runCli(argv, io, { POSTERN_DATA, POSTERN_TOKEN, CREDENTIALS_DIRECTORY, JOURNAL_STREAM, XDG_CONFIG_HOME, HOME, NO_COLOR });
}

if (import.meta.main) await runProcess(process.argv.slice(2));
