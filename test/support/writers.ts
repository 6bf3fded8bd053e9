import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface Caller {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** Connections that insert one row after the other, each under an id that no other statement holds. */
export interface Writers {
  /** ids whose INSERT the client was told is done */
  readonly acknowledged: readonly string[];
  /** what the callers were told, by SQLSTATE or system error */
  readonly errors: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export const writersTable = 'create table if not exists written(id text primary key, by_writer int)';

const retryMs = 50;
const connectMs = 5_000;
const statementMs = 30_000;

export function startWriters(caller: () => Caller, count: number, run: string): Writers {
  const acknowledged: string[] = [];
  const errors = new Map<string, number>();
  const stopped = new AbortController();
  const note = (error: unknown): void => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : error instanceof Error ? error.message : String(error);
    errors.set(code, (errors.get(code) ?? 0) + 1);
  };
  const writing = Array.from({ length: count }, (_none, number) => writeAll({ caller, number, run, acknowledged, note, signal: stopped.signal }));
  return {
    acknowledged,
    errors,
    stop: async () => {
      stopped.abort();
      await Promise.all(writing);
    },
  };
}

interface Writing {
  readonly caller: () => Caller;
  readonly number: number;
  readonly run: string;
  readonly acknowledged: string[];
  readonly note: (error: unknown) => void;
  readonly signal: AbortSignal;
}

async function writeAll({ caller, number, run, acknowledged, note, signal }: Writing): Promise<void> {
  for (let next = 0; !signal.aborted; ) {
    const { port, user, password, database } = caller();
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database, connectionTimeoutMillis: connectMs, query_timeout: statementMs });
    client.on('error', note);
    try {
      await client.connect();
      for (;;) {
        if (isOver(signal)) break;
        // letters only: digits could be taken for a card number and hidden
        const id = `${run}-${letters(number)}-${letters(next++)}`;
        await insert(client, id, number);
        acknowledged.push(id);
      }
      await client.end();
    } catch (error) {
      note(error);
      await Promise.race([client.end().catch(() => undefined), sleep(retryMs)]);
      await sleep(retryMs);
    }
  }
}

const isOver = (signal: AbortSignal): boolean => signal.aborted;

/** Simple and extended protocol in turn; the statement's own text holds the id in both. */
async function insert(client: pg.Client, id: string, number: number): Promise<void> {
  if (id.charCodeAt(id.length - 1) % 2 === 0) await client.query(`insert into written(id, by_writer) values ('${id}', ${String(number)})`);
  else await client.query(`insert into written(id, by_writer) values ('${id}', $1)`, [number]);
}

function letters(number: number): string {
  return Array.from(String(number).padStart(6, '0'), (digit) => String.fromCharCode(97 + Number(digit))).join('');
}
