import { isUtf8 } from 'node:buffer';
import { parentPort } from 'node:worker_threads';
import { reasonOf } from '../../lib/errors.ts';
import type { Catalogue, Relation, Unclassified } from './statement.ts';
import { outlineFrom } from './classify-outline.ts';
import { loadGrammar } from './classify-parser.ts';
import type { Parsed, Parser } from './classify-parser.ts';
import { scanRefusal, unclassified } from './classify-statement.ts';
import type { Outline } from './classify-statement.ts';
import { Scanner } from './template-scanner.ts';

/** To the worker: a text, then what the catalogue says of the names the worker asked for. */
export type Task = { readonly sql: Uint8Array } | { readonly known: Known };

/** From the worker: the names in the text, then the result. */
export type Report = { readonly asks: Names } | { readonly outline: Outline | Unclassified };

export interface Names {
  /** schema (null: unqualified) and name */
  readonly relations: readonly (readonly [string | null, string])[];
  readonly functions: readonly string[];
}

export interface Known {
  /** in the order asked */
  readonly relations: readonly (readonly Relation[])[];
  /** the schemas of each asked function of users; null when there is none */
  readonly functions: readonly (readonly string[] | null)[];
  readonly hasUserOperators: boolean;
}

interface Pending {
  readonly sql: Buffer;
  readonly parsed: Parsed;
  readonly names: Names;
}

/** Notes the names that are looked up. */
class AskingCatalogue implements Catalogue {
  readonly epoch = 0;
  readonly hasUserOperators = false;
  readonly relationNames = new Map<string, readonly [string | null, string]>();
  readonly functionNames = new Set<string>();

  origin(): null {
    return null;
  }

  relations(schema: string | null, name: string): readonly Relation[] {
    this.relationNames.set(JSON.stringify([schema, name]), [schema, name]);
    return [];
  }

  isUserFunction(name: string): boolean {
    this.functionNames.add(name);
    return false;
  }
}

/** Answers from what the main thread sent; a name that was not asked for stays unknown. */
class AnsweringCatalogue implements Catalogue {
  readonly epoch = 0;
  readonly hasUserOperators: boolean;
  readonly #relations: ReadonlyMap<string, readonly Relation[]>;
  readonly #functions: ReadonlyMap<string, readonly string[] | null>;

  constructor(names: Names, known: Known) {
    this.hasUserOperators = known.hasUserOperators;
    this.#relations = new Map(names.relations.map((name, at) => [JSON.stringify(name), known.relations[at] ?? []]));
    this.#functions = new Map(names.functions.map((name, at) => [name, known.functions[at] ?? null]));
  }

  origin(): null {
    return null;
  }

  relations(schema: string | null, name: string): readonly Relation[] {
    return this.#relations.get(JSON.stringify([schema, name])) ?? [];
  }

  isUserFunction(name: string): boolean {
    return this.#functions.get(name) !== null;
  }

  functionSchemas(name: string): readonly string[] {
    return this.#functions.get(name) ?? ['?'];
  }
}

function begin(parser: Parser, bytes: Uint8Array): Pending | Unclassified {
  const sql = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isUtf8(sql)) return unclassified('ERR_STATEMENT_UNPARSEABLE', 'encoding', 'The statement is not valid UTF-8.');
  const scanner = new Scanner(sql.length);
  scanner.scan(sql);
  if (scanner.fault !== null) return scanRefusal(scanner.fault);
  const parsed = parser.parse(sql);
  const asking = new AskingCatalogue();
  const outline = outlineFrom(parsed, scanner, sql, asking);
  if ('code' in outline) return outline;
  return { sql, parsed, names: { relations: [...asking.relationNames.values()], functions: [...asking.functionNames] } };
}

function finish(pending: Pending, known: Known): Outline | Unclassified {
  const scanner = new Scanner(pending.sql.length);
  scanner.scan(pending.sql);
  return outlineFrom(pending.parsed, scanner, pending.sql, new AnsweringCatalogue(pending.names, known));
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const parser = await loadGrammar();
  let pending: Pending | null = null;
  const handle = async (task: Task): Promise<Report> => {
    if ('known' in task) {
      const outline = pending === null ? unclassified('ERR_INTERNAL', 'parser') : finish(pending, task.known);
      pending = null;
      return { outline };
    }
    await parser.recovered();
    const begun = begin(parser, task.sql);
    if ('code' in begun) return { outline: begun };
    pending = begun;
    return { asks: begun.names };
  };
  port.on('message', (task: Task) => {
    handle(task)
      .catch((error: unknown): Report => ({ outline: unclassified('ERR_STATEMENT_TOO_LARGE', 'parser', `The statement is too complex (${reasonOf(error)}).`) }))
      .then((report) => {
        port.postMessage(report);
      })
      // nobody to tell: the deadline of the other side ends it
      .catch(() => undefined);
  });
}

if (parentPort !== null) await serve(parentPort);
