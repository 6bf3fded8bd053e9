import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RequestView } from '../../contract/api-approvals.ts';
import type { Grant } from '../../contract/approval-request.ts';
import { fail } from '../../contract/errors.ts';
import { addKeyOptions, connector } from '../approver.ts';
import { every, seconds } from '../arguments.ts';
import type { Client } from '../client.ts';
import { fields, table } from '../output.ts';
import { requestLine, span } from '../request-text.ts';
import { asked, type Cli } from '../session.ts';

interface AccessOptions {
  readonly group: string;
  readonly for: number;
  readonly reason: string;
  readonly ticket?: string;
  readonly wait?: boolean;
}

export function addAccessCommands(program: Command, cli: Cli): void {
  const group = program.command('access').description('group memberships for a time');
  addAsking(group, cli);
  addKeyOptions(group.command('list').description('who has, or had, which group; newest first'))
    .option('--live', 'only those that hold now')
    .action(async ({ live }: { live?: boolean }, command: Command) => {
      const { print } = asked(command, cli);
      const api = await (await connector(command, cli))();
      const items = await every((cursor) => api.call('listGrants', { live: live === true ? 'true' : 'false', limit: 1_000, cursor }));
      print(items, () => table(['GRANT', 'WHO', 'GROUP', 'STATE', 'FROM', 'UNTIL', 'BY', 'REASON'], items.map(rowOf)));
    });
  addKeyOptions(group.command('revoke <grant>').description('ends it now; sessions that rest on it end'))
    .requiredOption('--reason <text>', 'why; it is recorded')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const { print } = asked(command, cli);
      const api = await (await connector(command, cli))();
      const grant = await api.call('revokeGrant', { id, reason });
      print(grant, () => grantText(grant));
    });
  group
    .command('review <grant>')
    .description('says what was found when a break-glass access was looked at afterwards')
    .requiredOption('--finding <text>', 'what was found; it is recorded')
    .action(async (id: string, { finding }: { finding: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const grant = await (await client()).call('reviewBreakGlass', { id, finding });
      print(grant, () => grantText(grant));
    });
}

/** For the service accounts themselves, with their own token. */
function addAsking(group: Command, cli: Cli): void {
  joining(group.command('request').description('asks to join a group for a time'))
    .option('--ticket <id>', 'where it is written down')
    .option('--wait', 'until it is decided')
    .action(async (options: AccessOptions, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const { group: name, for: duration, reason, ticket = '' } = options;
      let request = await api.call('requestAccess', { group: name, seconds: duration, reason, ticket });
      if (options.wait === true) {
        cli.io.err(
          `${request.id} waits for ${String(request.canonical.terms.needed)} of ${request.canonical.terms.group}, at most until ${request.canonical.expiresAt}.\n`,
        );
        request = await decided(api, request);
        if (!isGranted(request)) cli.exitCode(1);
      }
      print(request, () => ownText(request));
    });
  group
    .command('show <id>')
    .description('a request of your own')
    .action(async (id: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const request = await (await client()).call('showOwnRequest', { id });
      print(request, () => ownText(request));
    });
  joining(
    group.command('break-glass').description('joins a group at once, in an emergency, where policy permits it: everybody is told, and it is reviewed'),
  ).action(async ({ group: name, for: duration, reason }: AccessOptions, command: Command) => {
    const { client, print } = asked(command, cli);
    const grant = await (await client()).call('breakGlass', { group: name, seconds: duration, reason });
    print(grant, () => grantText(grant));
  });
}

function joining(command: Command): Command {
  return command
    .requiredOption('--group <name>', 'the group to join')
    .requiredOption('--for <duration>', 'for how long: 90s, 15m, 1h, 1d', seconds)
    .requiredOption('--reason <text>', 'why; approvers read it, and it is recorded');
}

const pollMs = 2_000;
/** the service itself closes what expires: a little later it must have */
const graceMs = 30_000;

async function decided(api: Client, asked: RequestView): Promise<RequestView> {
  const deadline = Date.parse(asked.canonical.expiresAt) + graceMs;
  let request = asked;
  // `approved` is on its way to `used`, when the grant exists
  while (request.status === 'pending' || request.status === 'approved') {
    if (Date.now() > deadline) throw fail('ERR_TIMEOUT', { hint: `See \`postern access show ${request.id}\`.` });
    await pause(pollMs);
    request = await api.call('showOwnRequest', { id: request.id });
  }
  return request;
}

function isGranted({ status }: RequestView): boolean {
  return status === 'used';
}

function ownText(request: RequestView): string {
  const reasons = request.decisions.map(({ verdict, human, reason }) => `${verdict === 'approve' ? 'approved' : 'denied'} by ${human}: ${reason}`);
  return fields({ request: requestLine(request), decisions: reasons.join('; '), closed: request.closedReason });
}

function grantText(grant: Grant): string {
  const { id, principalName, group, reason, request, createdAt, expiresAt, review } = grant;
  return fields({
    grant: id,
    who: principalName,
    group,
    state: stateOf(grant),
    for: span(Math.round((Date.parse(expiresAt) - Date.parse(createdAt)) / 1_000)),
    until: expiresAt,
    by: request ?? 'break-glass',
    reason,
    review: review === null ? null : `${review.by} at ${review.at}: ${review.finding}`,
  });
}

function stateOf({ revokedAt, expiresAt, request, review }: Grant): string {
  const unreviewed = request === null && review === null ? ', to be reviewed' : '';
  if (revokedAt !== null) return `revoked${unreviewed}`;
  return (Date.parse(expiresAt) <= Date.now() ? 'over' : 'live') + unreviewed;
}

function rowOf(grant: Grant): string[] {
  const { id, principalName, group, createdAt, expiresAt, revokedAt, request, reason } = grant;
  return [id, principalName, group, stateOf(grant), createdAt, revokedAt ?? expiresAt, request ?? 'break-glass', reason];
}
