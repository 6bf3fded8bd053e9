import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApprovalWatch, ControlApi, SigningApprover, type Answer, type RequestShown } from '../support/approval-client.ts';
import { settledEvents, type AuditEvent } from '../support/audit-events.ts';
import { bind, execute, fields, parse, query, RawClient, rows, sync, type Frame } from '../support/postgres-client.ts';
import { Observer, startService, type Service } from '../support/service.ts';

const rounds = Number(process.env['POSTERN_APPROVAL_ROUNDS'] ?? 400);
const seed = Number(process.env['POSTERN_APPROVAL_SEED'] ?? Date.now() % 1_000_000);

const lanes = 8;
/** those whose requests run out wait ten seconds each, so many wait at once */
const waitingLanes = 40;
/** a tenth of the rounds */
const waitingShare = 10;
const firstRow = 1_000_001;
const bystanders = 10;
const sequencesAtOnce = 500;
const maxGapMs = 20;
const patienceMs = 15_000;
/** an approval that is waited for may never come */
const uncuedMs = 300;
const lingerMs = 50;

const policies = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action == Action::"sql:select", resource);
@id("other") permit (principal, action in [Action::"sql:utility", Action::"sql:execute"], resource);
@id("delete") @approve("approvers:1") permit (principal, action == Action::"sql:delete", resource);
@id("update") @approve("approvers:2") permit (principal, action == Action::"sql:update", resource);
@id("insert") @approve("approvers:1") @expires("10s") permit (principal, action == Action::"sql:insert", resource);
`;

type Kind = 'delete' | 'update' | 'insert';
type Person = 'alice' | 'bob' | 'carol';
/** cancel: Ctrl-C; kill: the end of the connection; policies: they are replaced */
interface Act {
  readonly do: 'approve' | 'deny' | 'revoke' | 'cancel' | 'kill' | 'policies';
  /** who decides or revokes */
  readonly by?: Person;
}
/** what it follows: the statement was sent, its request is seen, its request is seen approved or used, its request is about to run out */
type Cue = 'sent' | 'seen' | 'approved' | 'expiry';
type Step = Act & { readonly cue: Cue; readonly gapMs: number };

interface Plan {
  readonly row: string;
  readonly kind: Kind;
  readonly extended: boolean;
  /** in a transaction block */
  readonly block: boolean;
  readonly steps: readonly Step[];
  /** if it still waits afterwards; null: its request runs out */
  readonly last: Act | null;
}

interface Played {
  readonly plan: Plan;
  readonly frames: readonly Frame[];
  /** the connection was gone before the answer was whole */
  readonly gone: boolean;
  /** the block was committed, or there was none */
  readonly committed: boolean;
  /** milliseconds since the epoch */
  readonly from: number;
  readonly to: number;
  readonly faults: readonly string[];
}

type Random = () => number;

/** mulberry32: a run is told by its seed, as far as the timers allow. */
function randomOf(from: number): Random {
  let state = from;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[Math.floor(random() * from.length)] ?? from[0];
}

const whole = (random: Random, below: number): number => Math.floor(random() * below);

function statementOf({ kind, row, extended }: Plan): Buffer[] {
  const id = extended ? '$1' : row;
  const sql = {
    delete: `delete from orders where id = ${id}`,
    update: `update orders set note = 'changed' where id = ${id}`,
    insert: `insert into orders (id, note) values (${id}, 'new')`,
  }[kind];
  return extended ? [parse('', sql), bind('', '', [row]), execute(''), sync] : [query(sql)];
}

function approvals(random: Random, kind: Kind): Step[] {
  const first: Step = { do: 'approve', by: 'alice', cue: 'seen', gapMs: whole(random, maxGapMs) };
  return kind === 'update' ? [first, { do: 'approve', by: 'bob', cue: 'seen', gapMs: whole(random, maxGapMs) }] : [first];
}

function disturbance(random: Random, act: Act): Step {
  const cue = pick<Cue>(random, ['sent', 'seen', 'approved']);
  // from approval to the end is a matter of milliseconds
  return { ...act, cue, gapMs: whole(random, cue === 'approved' ? 6 : maxGapMs) };
}

type Scenario = (random: Random, kind: Kind) => Step[];

const scenarios: readonly [Scenario, ...Scenario[]] = [
  approvals,
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'deny', by: 'carol' })],
  // the same person twice at once
  (random, kind) => approvals(random, kind).flatMap((step) => [step, step]),
  // two people at once, of two minds
  (random) => {
    const gapMs = whole(random, maxGapMs);
    return [
      { do: 'approve', by: 'alice', cue: 'seen', gapMs },
      { do: 'deny', by: 'bob', cue: 'seen', gapMs },
    ];
  },
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'cancel' })],
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'cancel' })],
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'kill' })],
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'kill' })],
  (random, kind) => [...approvals(random, kind), disturbance(random, { do: 'revoke', by: 'bob' })],
  (random) => [disturbance(random, pick<Act>(random, [{ do: 'cancel' }, { do: 'kill' }, { do: 'deny', by: 'bob' }, { do: 'revoke', by: 'alice' }]))],
  // everything
  (random, kind) => {
    const acts: readonly Act[] = [{ do: 'cancel' }, { do: 'kill' }, { do: 'deny', by: 'carol' }, { do: 'revoke', by: 'carol' }];
    const some = acts.filter(() => random() < 0.5).map((act) => disturbance(random, act));
    return [...approvals(random, kind), ...some];
  },
];

const changesPolicies = (number: number): boolean => number % 40 === 20;

function plannedRound(random: Random, number: number, count: number): Plan {
  const kind = pick<Kind>(random, ['delete', 'delete', 'update', 'insert']);
  const steps = [...pick(random, scenarios)(random, kind)];
  // in the first half only: the requests that are to run out come with the second
  if (number < count / 2 && changesPolicies(number)) steps.push(disturbance(random, { do: 'policies' }));
  const last = pick<Act>(random, [{ do: 'cancel' }, { do: 'deny', by: 'carol' }, { do: 'kill' }, { do: 'revoke', by: 'carol' }]);
  return { row: '', kind, extended: random() < 0.5, block: random() < 0.3, steps, last };
}

/** Nobody decides in time, or somebody just so. */
function waitingRound(random: Random): Plan {
  const late: Step = { do: 'approve', by: pick<Person>(random, ['alice', 'bob']), cue: 'expiry', gapMs: whole(random, 40) - 30 };
  return { row: '', kind: 'insert', extended: random() < 0.5, block: random() < 0.3, steps: random() < 0.5 ? [late] : [], last: null };
}

let service: Service;
let observer: Observer;
let api: ControlApi;
let watch: ApprovalWatch;
let people: Readonly<Record<Person, SigningApprover>>;
const policyEdits: { readonly from: number; readonly to: number }[] = [];
const answers: Record<string, number> = {};

const commandOf = ({ canonical }: RequestShown): string => canonical.subject.command ?? '';
const rowOf = (request: RequestShown): string | undefined => /\b\d{7}\b/.exec(commandOf(request))?.[0];

beforeAll(async () => {
  service = await startService({ policies, settings: ['max_connections=120'] });
  api = new ControlApi(service.appliance);
  observer = await Observer.open(service.direct());
  const groups = ['approvers'];
  people = {
    alice: await SigningApprover.add(api, 'alice', groups),
    bob: await SigningApprover.add(api, 'bob', groups),
    carol: await SigningApprover.add(api, 'carol', groups),
  };
  watch = await ApprovalWatch.open(api, rowOf);
}, 180_000);

afterAll(async () => {
  watch.close();
  api.close();
  observer.end();
  await service.stop();
});

/**
 * The rows of all rounds, and for each a sequence that its trigger counts every execution in: sequences do not roll back, so
 * they tell of what was executed and then undone, too.
 */
async function furnish(plans: readonly Plan[]): Promise<void> {
  await observer.rows('create table orders (id int primary key, note text)');
  await observer.rows(`insert into orders select i, 'old' from generate_series(1, ${String(bystanders)}) i`);
  const there = plans.filter(({ kind }) => kind !== 'insert').map(({ row }) => row);
  await observer.rows(`insert into orders select unnest('{${there.join(',')}}'::int[]), 'old'`);
  for (let from = 0; from < plans.length; from += sequencesAtOnce) {
    const some = plans.slice(from, from + sequencesAtOnce).map(({ row }) => `create sequence ran_${row};`);
    await observer.rows(`do $$ begin ${some.join(' ')} end $$`);
  }
  await observer.rows(`
    create function counted() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' then perform nextval('ran_' || old.id); return old; end if;
      perform nextval('ran_' || new.id);
      return new;
    end $$`);
  await observer.rows('create trigger counted before insert or update or delete on orders for each row execute function counted()');
}

const waits = ({ status }: RequestShown): boolean => status === 'pending';
const isApproved = ({ status }: RequestShown): boolean => status === 'approved' || status === 'used';
const login = (): Promise<RawClient> => within(patienceMs, 'a login', RawClient.login(service.through));

async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  const limit = sleep(ms, undefined, { signal: late.signal }).then(() => Promise.reject(new Error(`not within ${String(ms)} ms: ${what}`)));
  try {
    return await Promise.race([work, limit]);
  } finally {
    limit.catch(() => undefined);
    late.abort();
  }
}

/** One statement on its connection, with all that happens to it. */
class Round {
  readonly #plan: Plan;
  readonly #client: RawClient;
  /** resolves a little after the client has its answer, or is gone: what comes later still finds the request */
  readonly #over: Promise<void>;
  readonly #answer: Promise<Frame[]>;
  readonly #faults: string[] = [];
  readonly #from = Date.now();
  #answered = false;

  constructor(plan: Plan, client: RawClient) {
    this.#plan = plan;
    this.#client = client;
    this.#answer = within(2 * patienceMs, `the answer of ${JSON.stringify(plan)}`, client.ask(...statementOf(plan)));
    const over = (): Promise<void> => {
      this.#answered = true;
      return sleep(lingerMs);
    };
    this.#over = this.#answer.then(over, over);
  }

  static async play(plan: Plan, client: RawClient): Promise<Played> {
    if (plan.block) await within(patienceMs, 'a block', client.ask(query('begin')));
    return new Round(plan, client).#play();
  }

  async #play(): Promise<Played> {
    const { row, steps, last } = this.#plan;
    await Promise.all(steps.map((step) => this.#step(step)));
    if (last !== null && this.#waits()) {
      const shown = await watch.when(row, () => true, this.#over);
      await sleep(2 * maxGapMs);
      if (this.#waits()) await this.#act(last, shown);
    }
    const frames = await this.#answer;
    const gone = frames.at(-1)?.type !== 'Z';
    const committed = gone || this.#client.socket.destroyed ? !this.#plan.block : await this.#end(frames);
    return { plan: this.#plan, frames, gone, committed, from: this.#from, to: Date.now(), faults: this.#faults };
  }

  #waits(): boolean {
    return !this.#answered;
  }

  async #step(step: Step): Promise<void> {
    const request = await this.#cue(step);
    if (step.gapMs > 0) await sleep(step.gapMs);
    await this.#act(step, request ?? watch.latest(this.#plan.row) ?? null);
  }

  async #cue({ cue }: Step): Promise<RequestShown | null> {
    if (cue === 'sent') return null;
    const request =
      cue === 'approved'
        ? await watch.when(this.#plan.row, isApproved, Promise.race([this.#over, sleep(uncuedMs)]))
        : await watch.when(this.#plan.row, waits, this.#over);
    // the gap may be negative: before it runs out
    if (cue === 'expiry' && request !== null) await sleep(Math.max(0, Date.parse(request.canonical.expiresAt) - maxGapMs - Date.now()));
    return request;
  }

  async #act(act: Act, request: RequestShown | null): Promise<void> {
    if (act.do === 'cancel') return within(patienceMs, 'a Ctrl-C', this.#client.cancel());
    if (act.do === 'kill') {
      this.#client.destroy();
      return;
    }
    if (act.do === 'policies') {
      const from = Date.now();
      await api.ask('PUT', '/v1/policies', { files: [{ name: 'all.cedar', text: `${policies}// ${String(from)}\n` }] });
      // it reaches the gateway a little later
      policyEdits.push({ from, to: Date.now() + patienceMs / 10 });
      return;
    }
    // nobody can decide on what was never asked
    if (request === null) return;
    const by = people[act.by ?? 'alice'];
    const answer = await (act.do === 'revoke' ? by.revoke(request) : by.decide(request, act.do));
    this.#note(act.do, answer);
  }

  #note(what: string, { status, body }: Answer): void {
    const key = `${what} ${String(status)}`;
    answers[key] = (answers[key] ?? 0) + 1;
    // it came too late, or a second time
    if (status !== 200 && status !== 409) this.#faults.push(`${what} was answered with ${String(status)} ${JSON.stringify(body)}`);
  }

  /** Ends the block as a client would, and looks whether the session has another answer to give. Whether it was committed. */
  async #end(frames: readonly Frame[]): Promise<boolean> {
    const client = this.#client;
    let committed = !this.#plan.block;
    if (this.#plan.block) {
      const ended = await within(patienceMs, 'the end of a block', client.ask(query(tagOf(frames) === undefined ? 'rollback' : 'commit')));
      committed = tagOf(ended) === 'COMMIT';
    }
    for (let tries = 0; tries < 3; tries++) {
      const probe = await within(patienceMs, 'a live session', client.ask(query('select 1')));
      if (rows(probe)[0]?.[0] === '1' && finals(probe) === 1 && client.frames.length === 0) return committed;
      // Ctrl-C may meet the next statement: that is how the protocol is
      if (!has(this.#plan, 'cancel') || errorOf(probe)['C'] !== '57014') break;
    }
    this.#faults.push('the session is not what it was');
    return committed;
  }
}

function has({ steps, last }: Plan, ...acts: readonly Act['do'][]): boolean {
  return [...steps, ...(last === null ? [] : [last])].some((act) => acts.includes(act.do));
}

const finals = (frames: readonly Frame[]): number => frames.filter(({ type }) => type === 'C' || type === 'E').length;

function tagOf(frames: readonly Frame[]): string | undefined {
  return frames
    .find(({ type }) => type === 'C')
    ?.payload.toString('latin1')
    .replace('\0', '');
}

function errorOf(frames: readonly Frame[]): Readonly<Record<string, string>> {
  return fields(frames.find(({ type }) => type === 'E'));
}

/** Plays the plans one after the other on one connection after the other. */
async function lane(plans: Iterator<Plan>, played: Played[]): Promise<void> {
  let client = await login();
  for (let next = plans.next(); next.done !== true; next = plans.next()) {
    if (client.closed || client.socket.destroyed) client = await login();
    played.push(await Round.play(next.value, client));
  }
  client.end();
}

function inLanes(count: number, plans: readonly Plan[], played: Played[]): Promise<unknown> {
  const shared = plans[Symbol.iterator]();
  return Promise.all(Array.from({ length: Math.min(count, plans.length) }, () => lane(shared, played)));
}

/** What is left of a round everywhere. */
interface Evidence {
  readonly requests: readonly RequestShown[];
  readonly note: string | undefined;
  readonly executions: number;
  /** about the request, and how its operation was settled */
  readonly events: readonly AuditEvent[];
}

const terminal = ['used', 'denied', 'expired', 'withdrawn'];
const terminalCodes = terminal.map((status) => `approval-request.${status}`);

function isChanged({ kind }: Plan, note: string | undefined): boolean {
  return { delete: note === undefined, update: note === 'changed', insert: note === 'new' }[kind];
}

/** An approval may be used in vain only when the client took its word back meanwhile, the policies changed, or it came at the last moment. */
function isDisturbed({ plan, from, to }: Played): boolean {
  return plan.last === null || has(plan, 'cancel', 'kill') || policyEdits.some((edit) => edit.from <= to && from <= edit.to);
}

function faultsOf(played: Played, evidence: Evidence): string[] {
  const { plan, faults } = played;
  const { requests, executions, events } = evidence;
  const [request, ...others] = requests;
  const found = [...faults, ...answerFaults(played, evidence), ...said([[others.length > 0, 'there are several requests']])];
  if (request === undefined) return [...found, ...said([[executions > 0, 'it was executed without a request']])];
  return [
    ...found,
    ...said([[rowOf(request) !== plan.row, 'the request is about another row']]),
    ...requestFaults(played, request, executions),
    ...logFaults(request, executions, events),
  ];
}

/** What the client was told against what the target holds. */
function answerFaults({ plan, frames, gone, committed }: Played, { note, executions }: Evidence): string[] {
  const changed = isChanged(plan, note);
  const common: Found = [
    [executions > 1, 'it was executed twice'],
    [changed && executions === 0, 'the row changed without an execution'],
    [finals(frames) > 1, 'the client has several answers'],
  ];
  if (gone) return said([...common, [!has(plan, 'kill'), 'the connection was lost']]);
  if (tagOf(frames) !== undefined)
    return said([
      ...common,
      [executions !== 1, 'the client was told of an execution that was none'],
      [committed !== changed, 'the client was told of a change that is none, or not of one'],
    ]);
  return said([
    ...common,
    [finals(frames) === 0, 'the client has no answer'],
    [changed, 'the row was changed behind an error'],
    [!['42501', '57014'].includes(errorOf(frames)['C'] ?? ''), `the error is ${JSON.stringify(errorOf(frames))}`],
  ]);
}

function requestFaults(played: Played, request: RequestShown, executions: number): string[] {
  const { plan } = played;
  const { status, decisions, canonical } = request;
  const used = status === 'used';
  const signers = decisions.map((decision) => Object.values(people).find((person) => person.human === decision.human && person.signed(request, decision)));
  const approved = new Set(decisions.filter(({ verdict }) => verdict === 'approve').map(({ human }) => human)).size;
  const denials = decisions.filter(({ verdict }) => verdict === 'deny').length;
  return said([
    [!terminal.includes(status), `the request is ${status}`],
    [executions > 0 && !used, `it was executed though its request is ${status}`],
    [used && executions === 0 && !isDisturbed(played), 'it was approved and used, and not executed'],
    [used && (approved < canonical.terms.needed || denials > 0), 'it was used without the approvals it needs'],
    [(status === 'denied') !== denials > 0, 'denied is not what was denied'],
    [canonical.terms.needed !== (plan.kind === 'update' ? 2 : 1), 'the request asks for others than the policy'],
    [signers.includes(undefined), 'a decision is not signed by an approver'],
    [decisions.length !== new Set(decisions.map(({ human }) => human)).size, 'somebody counts twice'],
    [!commandOf(request).startsWith(plan.kind), 'the request is about another command'],
  ]);
}

function logFaults(request: RequestShown, executions: number, events: readonly AuditEvent[]): string[] {
  const indexOf = (code: string): number[] => events.filter(({ header }) => header['code'] === code).map(({ index }) => index);
  const ends = events.filter(({ header }) => terminalCodes.includes(String(header['code'])));
  const intended = events.filter(isIntent);
  const outcomes = events.filter(({ header }) => header['code'] === 'operation.settled').map(({ header }) => header['outcome']);
  const [usedAt = Infinity] = indexOf('approval-request.used');
  return said([
    [indexOf('approval-request.created').length !== 1, 'it was not created once'],
    [ends.length !== 1, `the log ends it with ${ends.map(({ header }) => String(header['code'])).join(', ') || 'nothing'}`],
    [ends[0]?.header['code'] !== `approval-request.${request.status}`, 'the log ends it otherwise'],
    [intended.length > 1, 'it was intended twice'],
    [outcomes.length !== intended.length, 'what was intended was not settled once'],
    [executions === 0 && outcomes.includes('success'), 'the log says that it was executed'],
    [executions > 0 && intended.length === 0, 'it was executed without an intent that names the request'],
    [intended.some(({ index }) => index < usedAt), 'it was intended before it was used up'],
    [intended.some(({ body }) => body !== commandOf(request)), 'the intent is not the command that was approved'],
  ]);
}

type Found = readonly (readonly [boolean, string])[];

function said(found: Found): string[] {
  return found.filter(([wrong]) => wrong).map(([, text]) => text);
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

async function left(): Promise<RequestShown[]> {
  for (const from = Date.now(); ; ) {
    const open = [...(await api.requests('pending')), ...(await api.requests('approved'))];
    if (open.length === 0 || Date.now() - from > patienceMs) return open;
    await sleep(200);
  }
}

/** Every round in its lane. Gives what happened, in any order. */
async function playAll(plans: readonly Plan[]): Promise<Played[]> {
  const played: Played[] = [];
  const main = plans.filter(({ last }) => last !== null);
  const half = Math.ceil(main.length / 2);
  await inLanes(lanes, main.slice(0, half), played);
  const runOut = plans.filter(({ last }) => last === null);
  await Promise.all([inLanes(lanes, main.slice(half), played), inLanes(waitingLanes, runOut, played)]);
  return played;
}

function planAll(): Plan[] {
  const random = randomOf(seed);
  const waiting = Math.floor(rounds / waitingShare);
  const main = Array.from({ length: rounds - waiting }, (_, number) => plannedRound(random, number, rounds - waiting));
  return [...main, ...Array.from({ length: waiting }, () => waitingRound(random))].map((plan, at) => ({ ...plan, row: String(firstRow + at) }));
}

const requestOf = ({ header: { request } }: AuditEvent): string | undefined => (typeof request === 'string' ? request : undefined);

interface Left {
  readonly requests: readonly RequestShown[];
  readonly events: readonly AuditEvent[];
  readonly notes: ReadonlyMap<string, string>;
  readonly of: (plan: Plan) => Evidence;
}

async function gather(): Promise<Left> {
  const events = await settledEvents(service.appliance);
  const requests = await api.requests();
  const byRow = grouped(requests, rowOf);
  const byRequest = grouped(events, requestOf);
  const byOperation = grouped(
    events.filter(({ header }) => header['code'] === 'operation.settled'),
    ({ header }) => String(header['operation']),
  );
  const notes = new Map((await observer.rows('select id, note from orders')).map(([id, note]) => [id ?? '', note ?? '']));
  const counts = await observer.rows("select substr(sequencename, 5), last_value from pg_sequences where sequencename like 'ran_%'");
  const executions = new Map(counts.map(([row, count]) => [row ?? '', Number(count ?? 0)]));
  const of = ({ row }: Plan): Evidence => {
    const mine = byRow.get(row) ?? [];
    const about = byRequest.get(mine[0]?.id ?? '') ?? [];
    const settled = about.filter(isIntent).flatMap(({ header }) => byOperation.get(String(header['operation'])) ?? []);
    return { requests: mine, note: notes.get(row), executions: executions.get(row) ?? 0, events: [...about, ...settled] };
  };
  return { requests, events, notes, of };
}

/** How the rounds ended, for people. */
function tallyOf(played: readonly Played[], { of }: Left): Record<string, number> {
  const tally: Record<string, number> = {};
  const count = (what: string): void => {
    tally[what] = (tally[what] ?? 0) + 1;
  };
  for (const { plan } of played) {
    const { requests, executions, note, events } = of(plan);
    count(requests[0]?.status ?? 'no request');
    if (requests[0]?.status === 'used' && executions === 0) count(`used in vain: ${disturbanceOf(plan)}, ${isIntended(events) ? '' : 'not '}intended`);
    if (executions > 0 && !isChanged(plan, note)) count(`executed and undone: ${disturbanceOf(plan)}`);
  }
  return tally;
}

const isIntent = ({ header }: AuditEvent): boolean => header['code'] === 'operation.intended';
const isIntended = (events: readonly AuditEvent[]): boolean => events.some(isIntent);

function disturbanceOf(plan: Plan): string {
  if (plan.last === null) return 'at the last moment';
  return (['cancel', 'kill', 'policies'] as const).find((act) => has(plan, act)) ?? 'policies of another round';
}

describe('waiting statements', () => {
  it(
    `end exactly once each, and the target executes what was approved: ${String(rounds)} rounds`,
    async () => {
      const plans = planAll();
      await furnish(plans);
      const began = Date.now();
      const played = await playAll(plans);
      const open = await left();
      const seconds = (Date.now() - began) / 1_000;
      const evidence = await gather();
      const tally = tallyOf(played, evidence);
      const { requests, events, notes } = evidence;
      const figures = { seed, rounds, seconds, tally, answers, policyEdits: policyEdits.length, events: events.length };
      process.stderr.write(`approvals-random: ${JSON.stringify(figures)}\n`);

      const faulty = played
        .map((each) => ({ plan: each.plan, faults: faultsOf(each, evidence.of(each.plan)), request: evidence.of(each.plan).requests[0]?.status }))
        .filter(({ faults }) => faults.length > 0);
      expect(faulty.slice(0, 20), `${String(faulty.length)} of ${String(rounds)} rounds, seed ${String(seed)}`).toEqual([]);
      expect(watch.broken).toBeNull();
      expect(open).toEqual([]);
      expect(played).toHaveLength(rounds);
      // nothing besides the rounds
      expect(new Set(requests.map(rowOf)).size).toBe(requests.length);
      expect([...notes].filter(([id]) => Number(id) <= bystanders).map(([, note]) => note)).toEqual(Array.from({ length: bystanders }, () => 'old'));
      expect(events.filter(({ header }) => terminalCodes.includes(String(header['code'])))).toHaveLength(requests.length);
      // each end was met, or the run shows nothing
      if (rounds >= 200) for (const status of terminal) expect(tally[status], status).toBeGreaterThan(0);
    },
    120_000 + rounds * 200,
  );
});
