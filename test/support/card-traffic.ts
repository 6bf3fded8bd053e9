import { bind, describe, execute, message, parse, query, RawClient, startup, sync, type Login } from './postgres-client.ts';

/** One way by which card data comes to the gateway. */
export interface Path {
  readonly name: string;
  /** `pan` and, under tagged columns, keys and labels, `cvv` */
  readonly send: (data: { pan: string; cvv: string; id: number }) => readonly Uint8Array[];
}

export const cardTables = [
  'create table cards(id int primary key, pan text unique, cvv text, check (id < 1000000))',
  'create table cards_numeric(id int primary key, pan numeric, pan_big bigint)',
  'create table notes(id serial, body text)',
  'create table docs(id serial, doc jsonb)',
  'create table forbidden(pan text, cvv text)',
  "create function complain(what text) returns int language plpgsql as $$ begin raise exception 'no such card: %', what; end $$",
];

const half = (pan: string): [string, string] => [pan.slice(0, 8), pan.slice(8)];
const hex = (text: string): string => Buffer.from(text).toString('hex');
const escaped = (text: string): string => Array.from(text, (letter) => `\\x${hex(letter)}`).join('');
const unicode = (text: string): string => Array.from(text, (letter) => `\\00${hex(letter)}`).join('');
const spaced = (pan: string, by: string): string => pan.replaceAll(/(.{4})(?=.)/g, `$1${by}`);
const simple = (name: string, sql: (data: { pan: string; cvv: string; id: number }) => string | readonly string[]): Path => ({
  name,
  send: (data) => [sql(data)].flat().map((text) => query(text)),
});
const extended = (name: string, send: Path['send']): Path => ({ name, send });

/** Every path ends with one ReadyForQuery per Query and per Sync. */
export const cardPaths: readonly Path[] = [
  simple('a literal for a tagged column', ({ pan, cvv, id }) => `insert into cards values (${String(id)}, '${pan}', '${cvv}')`),
  simple('a literal in free text', ({ pan }) => `insert into notes(body) values ('paid with ${pan}, thanks')`),
  simple('comments', ({ pan }) => [`select 1 /* card ${pan} */`, `-- ${pan}\nselect 2`]),
  simple('a condition', ({ pan, cvv }) => `select id from cards where pan = '${pan}' and cvv = '${cvv}'`),
  simple('an update', ({ pan, cvv, id }) => `update cards set pan = '${pan}', cvv = '${cvv}' where id = ${String(id)}`),
  simple('a failing cast', ({ pan }) => `select '${pan}'::date`),
  simple('a violated unique key', ({ pan, cvv, id }) => [
    `insert into cards values (${String(id)}, '${pan}', '${cvv}')`,
    `insert into cards values (${String(id + 1)}, '${pan}', '${cvv}')`,
  ]),
  simple('a violated check', ({ pan, cvv }) => `insert into cards values (5000000, '${pan}', '${cvv}')`),
  simple('a cast of a tagged value that fails', ({ cvv, id }) => `insert into cards(id, cvv) values (${String(id)}, '${cvv}'::int::text)`),
  simple('JSON', ({ pan, cvv }) => [
    `insert into docs(doc) values ('{"card": {"number": "${pan}", "cvv": "${cvv}"}}')`,
    `select doc from docs where doc->'card'->>'number' = '${pan}'`,
  ]),
  simple('wrong syntax', ({ pan, cvv }) => [`selec '${pan}'`, `insert into cards(cvv) valeus ('${cvv}')`, `select '${pan}`]),
  simple('COPY', ({ pan, cvv }) => [`copy cards from stdin /* ${pan} ${cvv} */`, `copy (select '${pan}') to stdout`, `copy cards from program 'echo ${pan}'`]),
  simple('a notice', ({ pan }) => `do $$ begin raise notice 'card %', '${pan}'; end $$`),
  simple('an error of a function', ({ pan }) => `select complain('${pan}')`),
  simple('names', ({ pan }) => [`select 1 as "${pan}"`, `create table "t${pan}" (x int)`, `select * from "t${pan}"`, `drop table "t${pan}"`]),
  simple('spaces and dashes', ({ pan }) => [`select '${spaced(pan, ' ')}'`, `select '${spaced(pan, '-')}'`]),
  simple('two halves', ({ pan }) => [`select '${half(pan)[0]}' || '${half(pan)[1]}'`, `select concat('${half(pan)[0]}', '${half(pan)[1]}')`]),
  simple('escapes', ({ pan }) => [
    `select E'${escaped(pan)}'`,
    `select U&'${unicode(pan)}'`,
    `select convert_from('\\x${hex(pan)}', 'utf8')`,
    `select '\\x${hex(pan)}'::bytea`,
  ]),
  simple('dollar quotes', ({ pan }) => `select $card$${pan}$card$`),
  simple('numbers', ({ pan, id }) => [
    `select ${pan}`,
    `select ${pan}::numeric + 0`,
    `insert into cards_numeric values (${String(id)}, ${pan}, ${pan.slice(0, 18)})`,
  ]),
  simple('PREPARE and EXECUTE', ({ pan, cvv, id }) => [
    `prepare p${String(id)} as insert into cards values (${String(id)}, $1, $2)`,
    `execute p${String(id)}('${pan}', '${cvv}')`,
  ]),
  simple('settings', ({ pan }) => [
    `set application_name = '${pan}'`,
    `set my.card = '${pan}'`,
    `select set_config('my.card', '${pan}', false)`,
    'show my.card',
    'reset application_name',
  ]),
  simple('a cursor', ({ pan }) => ['begin', `declare "c${pan}" cursor for select '${pan}'`, `fetch all from "c${pan}"`, 'commit']),
  simple('LISTEN and NOTIFY', ({ pan }) => [`listen "c${pan}"`, `notify cards, '${pan}'`]),
  simple('several statements', ({ pan }) => `select 1; select '${pan}'; select 2`),
  simple('an array', ({ pan }) => `select array['x', '${pan}']`),
  simple('a long statement', ({ pan }) => `select '${'x'.repeat(100_000)}', '${pan}'`),
  simple('a refused statement', ({ pan, cvv }) => `delete from forbidden where pan = '${pan}' and cvv = '${cvv}'`),
  simple('a default', ({ pan, id }) => [`create table d${String(id)} (pan text default '${pan}')`, `drop table d${String(id)}`]),
  simple('EXPLAIN', ({ pan, cvv }) => `explain select * from cards where pan = '${pan}' and cvv = '${cvv}'`),
  extended('values for tagged columns', ({ pan, cvv, id }) => [
    parse('', `insert into cards values (${String(id)}, $1, $2)`),
    bind('', '', [pan, cvv]),
    describe('P', ''),
    execute(''),
    sync,
  ]),
  extended('a value in free text', ({ pan }) => [parse('', 'select $1::text'), bind('', '', [pan]), describe('P', ''), execute(''), sync]),
  extended('a binary number', ({ pan, id }) => [
    parse('', `insert into cards_numeric(id, pan_big) values (${String(id + 3)}, $1)`, 20),
    bind('', '', [bigint(pan)], { parameters: [1] }),
    execute(''),
    sync,
  ]),
  extended('names of statement and portal', ({ pan }) => [
    parse(`s${pan}`, 'select 1'),
    bind(`p${pan}`, `s${pan}`),
    describe('P', `p${pan}`),
    execute(`p${pan}`),
    sync,
  ]),
  extended('a value that fails', ({ pan }) => [parse('', 'select $1::date'), bind('', '', [pan]), execute(''), sync]),
  extended('a tagged value that fails', ({ pan, cvv }) => [
    parse('', 'insert into cards values (6000000, $1, $2)'),
    bind('', '', [pan, cvv]),
    execute(''),
    sync,
  ]),
  extended('wrong syntax', ({ pan }) => [parse('', `selec '${pan}'`), bind('', ''), execute(''), sync]),
  extended('a name nobody knows', ({ pan }) => [bind('', `s${pan}`), execute(''), sync]),
  extended('the function call', ({ pan }) => [message('F', Buffer.from([0, 0, 6, 0xd6]), 0, 1, Buffer.from([0, 0, 0, pan.length]), Buffer.from(pan), 0)]),
  extended('a tagged column in binary', () => [
    parse('', 'select pan, cvv from cards'),
    bind('', '', [], { results: [1] }),
    describe('P', ''),
    execute(''),
    sync,
  ]),
  simple('results', () => [
    'select * from cards',
    'select jsonb_agg(c) from cards c where id < 20',
    'select * from docs',
    'select * from cards_numeric',
    'select * from notes',
  ]),
];

function bigint(pan: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(pan.slice(0, 18)));
  return bytes;
}

/** Sends all of a path and waits for its end. Gives whether the connection lives on. */
export async function walk(client: RawClient, frames: readonly Uint8Array[]): Promise<boolean> {
  for (const frame of frames) {
    client.send(frame);
    const [type] = frame;
    if (type === 0x51 || type === 0x53 || type === 0x46) await client.until('Z');
    if (client.closed) return false;
  }
  return true;
}

/** A login that fails, or not; with card data in places where it has no business. */
export async function knock(login: Login): Promise<void> {
  const client = await RawClient.open(login.host, login.port);
  client.send(startup({ user: login.user, database: login.database, ...login.parameters }));
  await client.authenticate(login.password).catch(() => undefined);
  await client.until('Z');
  client.end();
  client.socket.destroy();
}
