import { join } from 'node:path';
import type { Command } from 'commander';
import type { VerifyResult } from '../../audit/verify.ts';
import type { AuditEventView } from '../../contract/api-views.ts';
import type { EventCode } from '../../contract/audit-event.ts';
import { count, list } from '../arguments.ts';
import { fields, table, visible } from '../output.ts';
import { asked, readNamed, type Cli } from '../session.ts';

interface SearchOptions {
  readonly code?: EventCode;
  readonly principal?: string;
  readonly resource?: string;
  readonly session?: string;
  readonly operation?: string;
  readonly outcome?: 'pending' | 'success' | 'failure' | 'indeterminate';
  readonly from?: string;
  readonly to?: string;
  readonly text?: string;
  readonly limit: number;
}

interface VerifyOptions {
  readonly dir?: string;
  readonly key?: string;
  readonly checkpoint: readonly string[];
}

export function addAuditCommands(program: Command, cli: Cli): void {
  const group = program.command('audit').description('the tamper-evident log');
  group
    .command('tail')
    .description('the newest events')
    .option('-f, --follow', 'and new ones as they become durable')
    .option('-n, --lines <count>', 'how many to begin with', count, 20)
    .action(async ({ follow, lines }: { follow?: boolean; lines: number }, command: Command) => {
      const { client, json } = asked(command, cli);
      for await (const event of (await client()).stream('tailAudit', { count: lines, follow: follow === true ? 'true' : 'false' })) {
        cli.io.out(json ? `${JSON.stringify(event)}\n` : `${lineOf(event)}\n`);
      }
    });
  group
    .command('search')
    .description('events, newest first')
    .option('--code <code>', 'for instance operation.refused')
    .option('--principal <name>')
    .option('--resource <name>')
    .option('--session <id>')
    .option('--operation <id>')
    .option('--outcome <outcome>', 'pending, success, failure or indeterminate')
    .option('--from <time>', 'RFC 3339')
    .option('--to <time>', 'RFC 3339')
    .option('--text <text>', 'part of the masked command')
    .option('--limit <count>', 'how many', count, 100)
    .action(async (options: SearchOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const { code, principal, resource, session, operation, outcome, from, to, text, limit } = options;
      const { items } = await (await client()).call('searchAudit', { code, principal, resource, session, operation, outcome, from, to, text, limit });
      print(items, () => table(['INDEX', 'TIME', 'EVENT', 'OUTCOME', 'WHO', 'WHAT'], items.map(rowOf)));
    });
  group
    .command('verify')
    .description('checks every event, hash and signature of the log from its files; needs no service')
    .option('--dir <dir>', 'the log, or a copy of it (default: DIR/audit)')
    .option('--key <key>', 'verifier key of the log, or a file with it (default: DIR/log.vkey)')
    .option('--checkpoint <file>', 'a checkpoint kept from earlier: the log must have grown from it; may be repeated', list, [])
    .action(async (options: VerifyOptions, command: Command) => {
      const { dataDir, print } = asked(command, cli);
      const { verifyLog } = await import('../../audit/verify.ts');
      const saved = await Promise.all(options.checkpoint.map(readNamed));
      const result = await verifyLog({ directory: options.dir ?? join(dataDir, 'audit'), verifierKey: await keyOf(options.key, dataDir), saved });
      if (options.key === undefined)
        cli.io.err('The key was taken from the data directory: whoever could change the log could change it too. Keep it elsewhere and give it with --key.\n');
      print(result, () => verdictText(result, saved.length));
      if (!result.ok) cli.exitCode(1);
    });
  group
    .command('checkpoint')
    .description('the newest signed checkpoint; keep it outside of this machine')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const answer = await (await client()).call('auditCheckpoint', {});
      print(answer, () => answer.checkpoint);
    });
}

async function keyOf(given: string | undefined, dataDir: string): Promise<string> {
  if (given !== undefined && /^[^+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/.test(given)) return given;
  return (await readNamed(given ?? join(dataDir, 'log.vkey'))).trim();
}

function verdictText(result: VerifyResult, saved: number): string {
  if (!result.ok) {
    const { file, index, through, why } = result.bad;
    const events = index === null ? '' : index === through || through === null ? `event ${String(index)}, ` : `events ${String(index)} to ${String(through)}, `;
    return `NOT verified: ${visible(why)}\nFirst bad record: ${events}${visible(file)}\nKeep the files as they are and tell the auditor.\n`;
  }
  const { origin, size, root, sessions, journal, bodies } = result;
  return fields({
    verified: `${String(size)} events of ${origin}`,
    root,
    sessions,
    bodies: `${String(bodies.present)} present, ${String(bodies.verified)} opened and compared, ${String(bodies.missing)} missing`,
    'saved checkpoints': saved,
    'not yet under a checkpoint': `${String(journal.entries)} events, ${String(journal.tornBytes)} bytes of an unfinished commit`,
  });
}

function member(header: AuditEventView['header'], name: string): string {
  const value = header[name];
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function actorName(header: AuditEventView['header']): string {
  const { actor } = header;
  return typeof actor === 'object' && actor !== null && !Array.isArray(actor) && typeof actor['name'] === 'string' ? actor['name'] : '';
}

function rowOf({ index, header, body }: AuditEventView): string[] {
  const what = [member(header, 'affected'), member(header, 'reason'), member(header, 'error'), (body ?? '').slice(0, 200)]
    .filter((part) => part !== '')
    .join('  ');
  return [String(index), member(header, 'at'), member(header, 'code'), member(header, 'outcome'), actorName(header), what];
}

function lineOf(event: AuditEventView): string {
  return rowOf(event).map(visible).join('  ').trimEnd();
}
