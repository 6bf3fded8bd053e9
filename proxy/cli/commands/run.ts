import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Secret } from '../../lib/secret.ts';
import { count } from '../arguments.ts';
import { asked, readNamed, type Cli } from '../session.ts';

interface DemoOptions {
  readonly portBase?: number;
  readonly reset?: boolean;
  readonly install: boolean;
}

/** The two commands that run the service themselves; what they need is loaded only then. */
export function addRunCommands(program: Command, cli: Cli): void {
  program
    .command('serve')
    .description('runs the service until it is stopped')
    .option('--config <file>', 'listeners, key-encryption key, names for the certificate (JSON)')
    .option('--admin-token-file <file>', "where the first administrator's token is written; otherwise it is printed, once")
    .action(async ({ config, adminTokenFile }: { config?: string; adminTokenFile?: string }, command: Command) => {
      const { dataDir } = asked(command, cli);
      const { startService } = await import('../../processes/supervisor.ts');
      const { parseConfig } = await import('../../processes/settings.ts');
      // a journal that others read is no place for a token
      const tokenFile = adminTokenFile ?? (cli.environment.JOURNAL_STREAM === undefined ? undefined : join(dataDir, 'admin.token'));
      const service = await startService({
        dir: dataDir,
        version: await version(),
        config: config === undefined ? {} : parseConfig(await readNamed(config), config),
        credentialsDirectory: cli.environment.CREDENTIALS_DIRECTORY,
        adminTokenFile: tokenFile === undefined ? undefined : resolve(tokenFile),
      });
      const { out } = cli.io;
      out(`Postern is up.\n  control API  ${service.controlUrl}  (CA: ${service.layout.tls}/ca.crt)\n`);
      for (const [name, port] of Object.entries(service.ports)) out(`  ${name.padEnd(11)}  127.0.0.1:${String(port)}\n`);
      if (service.adminToken && tokenFile === undefined) {
        out(
          `\nFirst start: this is the token of the administrator, shown this once. Keep it in a password manager.\n\n  ${service.adminToken.reveal()}\n\nUse it with --token-file FILE, or POSTERN_TOKEN.\n`,
        );
      }
      if (service.setUpLink) out(setUpText(service.setUpLink, service.layout.setUpLink, cli));
      await stopSignal();
      out('Stopping.\n');
      await service.stop();
    });
  program
    .command('demo')
    .description('everything on one machine: a real PostgreSQL with a payments schema, principals, policies')
    .option('--port-base <port>', 'first of the ports it uses', count)
    .option('--reset', 'begin anew')
    .option('--no-install', 'fetch nothing')
    .action(async (options: DemoOptions, command: Command) => {
      const { dataDir, json } = asked(command, cli);
      const { runDemo } = await import('../../demo/index.ts');
      cli.exitCode(
        await runDemo({
          dataDir,
          json,
          reset: options.reset === true,
          install: options.install,
          version: await version(),
          io: cli.io,
          ...(options.portBase !== undefined && { portBase: options.portBase }),
        }),
      );
    });
}

/** The link is for who sits here: a journal that others read gets the place of its file only. */
function setUpText(link: Secret<string>, file: string, { environment }: Cli): string {
  const head = '\nNo person is administrator yet. Whoever opens this link in a browser enrols as one; it is good once, for a day:\n\n';
  if (environment.JOURNAL_STREAM !== undefined) return `${head}  the link stands in ${file}\n`;
  return `${head}  ${link.reveal()}\n\nIt stands in ${file}, too, until it is used; a new start makes a new one.\n`;
}

async function version(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

function stopSignal(): Promise<void> {
  return new Promise((done) => {
    const stop = (): void => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      done();
    };
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
}
