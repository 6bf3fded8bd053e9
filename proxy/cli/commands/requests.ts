import { setTimeout as pause } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import type { RequestDetails, RequestView } from '../../contract/api-approvals.ts';
import type { RequestStatus, SignedDecision } from '../../contract/approval-request.ts';
import { asAppError, fail, type ErrorCode } from '../../contract/errors.ts';
import { canonicalJson } from '../../proof/canonical.ts';
import { decisionBytes } from '../../proof/decision.ts';
import { addKeyOptions, approverOf, connector, type Approver } from '../approver.ts';
import { count, seconds as duration } from '../arguments.ts';
import type { Client } from '../client.ts';
import { table } from '../output.ts';
import { requestCells, requestHead, requestLine, requestText } from '../request-text.ts';
import { followed } from '../../contract/server-events.ts';
import { asked, type Cli } from '../session.ts';
import { askLine } from '../terminal.ts';

type Verdict = SignedDecision['verdict'];

export function addRequestCommands(program: Command, cli: Cli): void {
  const group = addKeyOptions(program.command('requests').description('what waits for people, and deciding on it'));
  group
    .command('list', { isDefault: true })
    .description('newest first')
    .addOption(new Option('--status <status>').choices(['pending', 'approved', 'denied', 'expired', 'withdrawn', 'used']))
    .option('--limit <count>', 'how many', count, 50)
    .action(async ({ status, limit }: { status?: RequestStatus; limit: number }, command: Command) => {
      const { print } = asked(command, cli);
      const api = await (await connector(command, cli))();
      const { items } = await api.call('listRequests', { status, limit });
      print(items, () => table(requestHead, items.map(requestCells)));
    });
  group
    .command('show <id>')
    .description('one request, whole; `last` is the newest that waits')
    .action(async (id: string, _options, command: Command) => {
      const { print } = asked(command, cli);
      const api = await (await connector(command, cli))();
      const details = await api.call('showRequest', { id: await requestId(id, api) });
      print(details, () => textFor(details, cli));
    });
  group
    .command('watch')
    .description('what waits now, then every change; goes on after a lost connection')
    .option('--after <position>', 'every change after this position of the log instead', count)
    .action(async ({ after }: { after?: number }, command: Command) => {
      await watch(after, command, cli);
    });
  for (const verdict of ['approve', 'deny'] as const) addDecision(group, verdict, cli);
  group
    .command('revoke <id>')
    .description('takes back a request that waits, or an approval that was not used yet')
    .requiredOption('--reason <text>', 'why; it is recorded')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const { print } = asked(command, cli);
      const api = await (await connector(command, cli))();
      const request = await api.call('revokeRequest', { id: await requestId(id, api), reason });
      print(request, () => `${requestLine(request)}\n`);
    });
}

function addDecision(group: Command, verdict: Verdict, cli: Cli): void {
  const command = group
    .command(`${verdict} <id>`)
    .description(`shows the whole request, then signs that you ${verdict} it with your key`)
    .requiredOption('--reason <text>', 'why; it is signed and recorded')
    .option('--yes', 'do not ask again')
    .action(async (id: string, { reason, yes, for: seconds }: { reason: string; yes?: boolean; for?: number }) => {
      const { print, json } = asked(command, cli);
      const approver = await approverOf(command, cli);
      const request = await decide({ id, verdict, reason, seconds, yes: yes === true, json }, approver, cli);
      print(request, () => `\n${verdict === 'approve' ? 'Approved' : 'Denied'}. Now: ${requestLine(request)}\n`);
    });
  if (verdict === 'approve') command.option('--for <duration>', 'accesses only: shorter than asked for: 15m, 8h', duration);
}

async function requestId(id: string, api: Client): Promise<string> {
  if (id !== 'last') return id;
  const { items } = await api.call('listRequests', { status: 'pending', limit: 1 });
  const [newest] = items;
  if (newest === undefined) throw fail('ERR_NOT_FOUND', { message: 'No request waits.' });
  return newest.id;
}

interface Deciding {
  readonly id: string;
  readonly verdict: Verdict;
  readonly reason: string;
  /** accesses only: shorter than asked for */
  readonly seconds: number | undefined;
  readonly yes: boolean;
  readonly json: boolean;
}

const maxShownChars = 20_000;
const minAccessSeconds = 60;

/** Shows, asks, signs exactly what was shown, and checks that this is what was decided. */
async function decide(deciding: Deciding, approver: Approver, cli: Cli): Promise<RequestView> {
  const { verdict, reason, seconds, json } = deciding;
  const { client, user } = await approver.signIn();
  const id = await requestId(deciding.id, client);
  const details = await client.call('showRequest', { id });
  const { canonical } = details.request;
  if (canonical.id !== id || details.request.id !== id)
    throw fail('ERR_VERIFICATION_FAILED', {
      message: 'The service showed another request than the one asked for.',
      hint: 'Nothing was signed. Tell an administrator.',
    });
  (json ? cli.io.err : cli.io.out)(textFor(details, cli));
  refuseUndecidable(details);
  refuseLonger(details, seconds);
  await confirm(details, deciding, cli);
  // people read for minutes, and a high risk wants a fresh sign-in
  const fresh = canonical.terms.risk === 'high' ? (await approver.signIn()).client : client;
  const at = new Date().toISOString();
  const { human } = user;
  const signature = approver.key.sign(decisionBytes({ request: canonical, verdict, approver: user.id, human, reason, seconds, at }));
  const decision: SignedDecision = {
    request: id,
    verdict,
    approver: user.id,
    human,
    reason,
    ...(seconds !== undefined && { seconds }),
    at,
    signature: { type: 'ed25519', key: approver.keyId, signature },
  };
  const decided = await fresh.call('decideRequest', { id, decision });
  if (canonicalJson(decided.canonical) !== canonicalJson(canonical) || !decided.decisions.some((one) => one.signature.signature === signature))
    throw fail('ERR_VERIFICATION_FAILED', {
      message: 'The service answered with another request than the one you signed.',
      hint: 'Your signature is good for what you were shown only. Tell an administrator.',
    });
  return decided;
}

function refuseUndecidable({ request, may }: RequestDetails): void {
  if (request.status !== 'pending')
    throw fail('ERR_CONFLICT', { message: `It is ${request.status}, so there is nothing to decide.`, hint: 'See `postern requests list --status pending`.' });
  if (!may.decide) throw fail('ERR_FORBIDDEN', { message: 'You may not decide on this request.', hint: may.why });
}

function refuseLonger({ request }: RequestDetails, seconds: number | undefined): void {
  if (seconds === undefined) return;
  const { subject } = request.canonical;
  if (subject.kind !== 'access') throw fail('ERR_INVALID_INPUT', { message: 'Only an access can be shortened. Nothing was signed.', hint: 'Leave --for out.' });
  if (seconds < minAccessSeconds || seconds > subject.seconds)
    throw fail('ERR_INVALID_INPUT', {
      message: `--for takes ${String(minAccessSeconds)} to ${String(subject.seconds)} seconds here. Nothing was signed.`,
      hint: 'An approver may shorten an access, not lengthen it.',
    });
}

async function confirm({ request }: RequestDetails, { verdict, yes }: Deciding, { io }: Cli): Promise<void> {
  if (yes) return;
  const { subject, expiresAt } = request.canonical;
  if (verdict === 'approve' && io.isTerminal && subject.kind === 'operation' && subject.command.length > maxShownChars)
    throw fail('ERR_FORBIDDEN', {
      message: `The command has ${String(subject.command.length)} characters, more than anybody reads on a terminal. Nothing was signed.`,
      hint: 'Read all of it, for instance with `postern requests show ID | less`, then repeat with --yes.',
    });
  if (!io.stdin.isTTY)
    throw fail('ERR_INVALID_INPUT', { message: 'Nobody is there to be asked. Nothing was signed.', hint: 'Read the request, then repeat with --yes.' });
  const timeoutMs = Math.max(Date.parse(expiresAt) - Date.now(), 1_000);
  const answer = await askLine(io, { prompt: `\n${verdict === 'approve' ? 'Approve' : 'Deny'}? [y/N] `, hidden: false, timeoutMs });
  if (!/^y(es)?$/i.test(answer.trim())) throw fail('ERR_NOT_APPROVED', { message: 'Nothing was decided.', hint: 'The request still waits.' });
}

function textFor(details: RequestDetails, { io, environment }: Cli): string {
  const color = io.isTerminal && !environment.NO_COLOR;
  // absent where standard output is no terminal
  const columns = process.stdout.columns || 80;
  return requestText(details, { now: Date.now(), color, width: io.isTerminal ? columns : Infinity });
}

async function watch(from: number | undefined, command: Command, cli: Cli): Promise<void> {
  const { json } = asked(command, cli);
  const connect = await connector(command, cli);
  let api: Client | null = await connect();
  const print = (request: RequestView, position?: number): void => {
    cli.io.out(json ? `${JSON.stringify({ ...(position !== undefined && { id: position }), request })}\n` : `${requestLine(request)}\n`);
  };
  if (from === undefined) for (const request of (await api.call('listRequests', { status: 'pending', limit: 1_000 })).items.reverse()) print(request);
  const events = followed(
    {
      async *connect(after) {
        // a service that was started again knows no earlier sign-in
        api ??= await connect();
        yield* api.stream('watchRequests', { ...(after !== undefined && { after }) }, after);
      },
      passes,
      pause,
      lost: (error, gap) => {
        api = null;
        const why = error instanceof Error ? `: ${error.message}` : '';
        cli.io.err(`The connection was lost${why}; trying again.${gap ? ' Changes meanwhile may be missing here: see `postern requests list`.' : ''}\n`);
      },
    },
    from,
  );
  for await (const { id, request } of events) print(request, id);
}

const passing: readonly ErrorCode[] = ['ERR_CONTROL_UNAVAILABLE', 'ERR_TIMEOUT', 'ERR_TOO_MANY_CONNECTIONS', 'ERR_AUDIT_UNAVAILABLE'];

function passes(error: unknown): boolean {
  return passing.includes(asAppError(error).code);
}
