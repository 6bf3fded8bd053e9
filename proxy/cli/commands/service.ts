import type { Command } from 'commander';
import type { Status } from '../../contract/api-views.ts';
import { fields, table } from '../output.ts';
import { asked, readNamed, type Cli } from '../session.ts';

export function addServiceCommands(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('state of every part')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const status = await (await client()).call('status', {});
      print(status, () => statusText(status));
      if (status.state !== 'up') cli.exitCode(1);
    });
  program
    .command('doctor')
    .description('checks of the installation')
    .option('--self-scan', 'decrypt every store and search it for card data and secrets')
    .option('--needles <file>', 'texts that must be nowhere, one a line')
    .action(async ({ selfScan, needles }: { selfScan?: boolean; needles?: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const { checks } = await api.call('doctor', {});
      const scan =
        selfScan === true
          ? await api.call('selfScan', { needles: needles === undefined ? [] : (await readNamed(needles)).split('\n').filter((line) => line !== '') })
          : null;
      const ok = checks.every((check) => check.ok) && scan?.clean !== false;
      print({ ok, checks, ...(scan && { scan }) }, () => {
        const lines = checks.map(({ name, ok: good, detail, remedy }) => [good ? 'ok' : 'FAILED', name, detail + (remedy === null ? '' : ` – ${remedy}`)]);
        if (scan === null) return table(['', 'CHECK', 'RESULT'], lines);
        const result = scan.clean
          ? `none detected over ${String(scan.files)} files and streams, ${String(scan.bytes)} bytes`
          : 'found, or not all could be read';
        const findings = scan.findings.map(({ file, kind, count: found }) => ['FAILED', file, `${String(found)} × ${kind}`]);
        return table(
          ['', 'CHECK', 'RESULT'],
          [...lines, [scan.clean ? 'ok' : 'FAILED', 'self-scan', result], ...findings, ...scan.unreadable.map((file) => ['FAILED', file, 'could not be read'])],
        );
      });
      if (!ok) cli.exitCode(1);
    });
  program
    .command('vault')
    .description('the stored credentials')
    .command('rotate')
    .description('encrypts every credential under new keys')
    .option('--kek', 'replace the key-encryption key instead of the data keys')
    .action(async ({ kek }: { kek?: boolean }, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('rotateVault', { what: kek === true ? 'key-encryption-key' : 'data-keys' });
      print(done, () => `Encrypted ${String(done.secrets)} credentials anew.\n`);
    });
}

function statusText(status: Status): string {
  const head = fields({
    state: status.state,
    version: status.version,
    started: status.startedAt,
    'live sessions': status.liveSessions,
    'audit log': `${status.log.origin}, ${String(status.log.size)} events`,
    listening: status.listeners.map(({ protocol, host, port }) => `${protocol} ${host}:${String(port)}`).join(', '),
  });
  return `${head}\n${table(
    ['PART', 'STATE', ''],
    status.parts.map(({ name, state, detail }) => [name, state, detail]),
  )}`;
}
