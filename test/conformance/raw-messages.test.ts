import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configure, permitAll, startAppliance, type Appliance } from '../support/appliance.ts';
import {
  bind,
  describe as describeMessage,
  execute,
  fields,
  parse,
  query,
  RawClient,
  show,
  startup,
  sync,
  type Frame,
  type Login,
} from '../support/postgres-client.ts';
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts';
import { scripts } from './scripts.ts';
import { statements } from './statements.ts';

/** Two clusters with one history, so that OIDs, too, must be the same. */
const maxConnections = 12;
const settings = ['autovacuum=off', `max_connections=${String(maxConnections)}`];
let direct: PostgresServer;
let target: PostgresServer;
let appliance: Appliance;
let directly: Login;
let through: Login;

beforeAll(async () => {
  [direct, target, appliance] = await Promise.all([startPostgres({ settings }), startPostgres({ settings }), startAppliance()]);
  const { host, port, user, password } = target;
  const token = await configure(appliance, {
    principal: 'ci',
    resource: 'bank',
    target: { host, port, user, password, database: 'postgres' },
    policies: permitAll,
  });
  await Promise.all([direct, target].map(makeTemporarySchemas));
  directly = { host: direct.host, port: direct.port, user: direct.user, password: direct.password, database: 'postgres' };
  through = { host: '127.0.0.1', port: appliance.port, user: 'ci', password: token, database: 'bank' };
});

afterAll(async () => {
  await appliance.remove();
  await Promise.all([direct.stop(), target.stop()]);
});

/** Each connection slot gets its schema for temporary tables, with an OID, when it first needs one: all do so now. */
async function makeTemporarySchemas({ host, port, user, password }: PostgresServer): Promise<void> {
  const login = { host, port, user, password, database: 'postgres' };
  const clients = await Promise.all(Array.from({ length: maxConnections }, () => RawClient.login(login)));
  for (const client of clients) await client.ask(query('create temp table x (a int)'));
  for (const client of clients) {
    client.end();
    await client.until('none');
  }
}

/** Statements that are refused on purpose: the client reads our words instead of the target's, with the same SQLSTATE. */
const refused: readonly { readonly sql: string; readonly why: string }[] = [
  { sql: 'select array[1,2][5]', why: 'no PostgreSQL grammar accepts it, and what cannot be understood is never forwarded' },
];

/** Several statements in one text are for the simple protocol only. */
function isSingle(sql: string): boolean {
  return !/;\s*\S/.test(sql.replaceAll(/\$\w*\$.*?\$\w*\$/gs, ''));
}

type Ask = (sql: string) => Uint8Array[];
const simple: Ask = (sql) => [query(sql)];
const extended =
  (format: 0 | 1): Ask =>
  (sql) =>
    isSingle(sql) ? [parse('', sql), bind('', '', [], { results: [format] }), describeMessage('P', ''), execute(''), sync] : [query(sql)];

const oneByOne = async (client: RawClient, asked: readonly Uint8Array[][]): Promise<Frame[][]> => {
  const answers: Frame[][] = [];
  for (const frames of asked) answers.push(await client.ask(...frames));
  return answers;
};

const allAtOnce = async (client: RawClient, asked: readonly Uint8Array[][]): Promise<Frame[][]> => {
  client.send(...asked.flat());
  const answers: Frame[][] = [];
  while (answers.length < asked.length) answers.push(await client.until('Z'));
  return answers;
};

async function transcript(login: Login, ask: Ask, how: typeof oneByOne): Promise<Frame[][]> {
  const client = await RawClient.login(login);
  const answers = await how(client, statements.map(ask));
  client.end();
  return answers;
}

/** The frames from AuthenticationOk on, without the key of cancel requests. */
async function greeting(login: Login): Promise<string[]> {
  const client = await RawClient.open(login.host, login.port);
  client.send(startup({ user: login.user, database: login.database, application_name: 'conformance' }));
  await client.authenticate(login.password);
  const frames = await client.until('Z');
  client.end();
  return frames
    .slice(frames.findLastIndex(({ type }) => type === 'R'))
    .filter(({ type }) => type !== 'K')
    .map(show);
}

it('has at least 300 statements', () => {
  expect(statements.length).toBeGreaterThanOrEqual(300);
});

it('greets like the target', async () => {
  expect(await greeting(through)).toEqual(await greeting(directly));
});

describe.each<[string, Ask, typeof oneByOne]>([
  ['simple queries', simple, oneByOne],
  ['simple queries, pipelined', simple, allAtOnce],
  ['the extended protocol with text results', extended(0), oneByOne],
  ['the extended protocol with text results, pipelined', extended(0), allAtOnce],
  ['the extended protocol with binary results', extended(1), oneByOne],
])('%s', (_name, ask, how) => {
  it('get the messages of the target, byte for byte', async () => {
    const theirs = await transcript(directly, ask, how);
    const ours = await transcript(through, ask, how);
    const reasons = new Set(refused.map(({ sql }) => sql));
    const differing = statements.flatMap((sql, index) => {
      const [mine, other] = [ours[index] ?? [], theirs[index] ?? []];
      return mine.map(show).join('\n') === other.map(show).join('\n') ? [] : [{ sql, mine, other }];
    });
    expect(differing.filter(({ sql }) => !reasons.has(sql)).map(({ sql, mine, other }) => ({ sql, ours: mine.map(show), theirs: other.map(show) }))).toEqual(
      [],
    );
    // the refused ones: same types, same state, same SQLSTATE
    expect(differing.map(({ sql, mine }) => ({ sql, answer: outline(mine) }))).toEqual(differing.map(({ sql, other }) => ({ sql, answer: outline(other) })));
    expect(differing.map(({ sql }) => sql)).toEqual(refused.map(({ sql }) => sql));
  });
});

function outline(frames: readonly Frame[]): string[] {
  return frames.map((frame) => (frame.type === 'E' ? `E ${fields(frame)['S'] ?? ''} ${fields(frame)['C'] ?? ''}` : show(frame)));
}

describe('the protocol', () => {
  it.each(scripts)('$name: same messages as the target', async ({ steps }) => {
    const answers = await Promise.all(
      [directly, through].map(async (login) => {
        const client = await RawClient.login(login);
        const seen: string[] = [];
        for (const { send, wait } of steps) {
          client.send(...send);
          for (const type of wait) seen.push(...(await client.until(type)).map(show));
        }
        client.end();
        return seen;
      }),
    );
    expect(answers[1]).toEqual(answers[0]);
  });
});
