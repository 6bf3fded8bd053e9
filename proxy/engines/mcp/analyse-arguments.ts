import { fail } from '../../contract/errors.ts';
import type { Act, Effect, FactContext, Facts, Span } from '../../contract/operation.ts';
import type { Analyser } from '../../contract/resource.ts';
import type { Session } from '../../pipeline/engine.ts';
import { analyseCommand } from './analyse-command.ts';
import { analyseUrl } from './analyse-url.ts';

/** Facts of a statement on another resource, whose acts say so, and the statement cut into syntax and values. Throws AppError. */
export type SqlAnalyser = (statement: string, on: { readonly resource: string; readonly database: string }, session: Session) => Promise<AnalysedSql>;

export interface AnalysedSql {
  readonly facts: Facts;
  readonly spans: readonly Span[];
}

/** One value of `params.arguments` by its RFC 6901 pointer. */
export interface ArgumentLeaf {
  readonly pointer: string;
  readonly kind: 'string' | 'number' | 'boolean' | 'null';
  readonly text: string;
}

/** What the arguments of one call say besides being data. Lists are sorted and free of duplicates. */
export interface AnalysedArguments {
  /** further acts of the call */
  readonly acts: readonly Act[];
  /** the worst of its statements; `none` when there are none */
  readonly effect: Effect;
  /** of all its statements together; null: there are none */
  readonly sql: FactContext | null;
  readonly hosts: readonly string[];
  readonly programs: readonly string[];
  readonly shell: readonly string[];
  /** how an argument is shown, by pointer */
  readonly spans: ReadonlyMap<string, readonly Span[]>;
}

interface Given {
  readonly analysers: readonly Analyser[];
  readonly tool: string;
  readonly leaves: readonly ArgumentLeaf[];
  readonly session: Session;
  readonly sql: SqlAnalyser;
}

const effects = ['none', 'read', 'write', 'unknown'] as const satisfies readonly Effect[];

/** Reads the arguments that the resource's analysers name. Throws AppError: what cannot be understood is never forwarded. */
export async function analyseArguments({ analysers, tool, leaves, session, sql }: Given): Promise<AnalysedArguments> {
  const found = { hosts: new Set<string>(), programs: new Set<string>(), shell: new Set<string>(), spans: new Map<string, readonly Span[]>() };
  const statements: Facts[] = [];
  for (const { reads, pointer } of analysers.filter((analyser) => isLike(tool, analyser.tool))) {
    const text = textAt(leaves, pointer);
    if (text === null) continue;
    if (reads.as === 'url') found.hosts.add(analyseUrl(text, reads.allow));
    else if (reads.as === 'command') {
      const { programs, shell } = analyseCommand(text);
      for (const program of programs) found.programs.add(program);
      for (const feature of shell) found.shell.add(feature);
    } else {
      const { facts, spans } = await sql(text, { resource: reads.resource, database: reads.database }, session);
      statements.push(facts);
      found.spans.set(pointer, spans);
    }
  }
  return {
    acts: statements.flatMap(({ acts }) => acts),
    effect: effects[Math.max(0, ...statements.map(({ effect }) => effects.indexOf(effect)))] ?? 'unknown',
    sql: together(statements.map(({ context }) => context)),
    hosts: [...found.hosts].sort(),
    programs: [...found.programs].sort(),
    shell: [...found.shell].sort(),
    spans: found.spans,
  };
}

/**
 * The text of an argument; null: it was not sent. A list or an object there, or a name that differs only in case or in characters that
 * nobody sees, could be read by the server as the argument that was meant: refused.
 */
function textAt(leaves: readonly ArgumentLeaf[], pointer: string): string | null {
  const wanted = folded(pointer);
  let text: string | null = null;
  for (const leaf of leaves) {
    if (leaf.pointer === pointer) {
      if (leaf.kind === 'null') continue;
      if (leaf.kind !== 'string') throw notText(pointer);
      text = leaf.text;
      continue;
    }
    const name = folded(leaf.pointer);
    if (name === wanted || name.startsWith(`${wanted}/`)) throw notText(pointer);
  }
  return text;
}

function notText(pointer: string): Error {
  return fail('ERR_STATEMENT_UNPARSEABLE', {
    message: `The argument ${pointer.slice(0, 100)} must be one text under exactly this name, since what it says is decided.`,
    detail: 'argument',
  });
}

function folded(pointer: string): string {
  const visible = pointer.normalize('NFKC').replaceAll(/[\p{Cc}\p{Cf}\s]/gu, '');
  // ſ, K and the like have capitals, or small letters, in ASCII
  return visible.toUpperCase().toLowerCase();
}

/** `*` stands for any run of characters: the pieces between are looked for from left to right, so it takes no longer than the text. */
export function isLike(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return text === pattern;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const piece of rest) {
    const place = text.indexOf(piece, at);
    if (place < 0 || place + piece.length > end) return false;
    at = place + piece.length;
  }
  return at <= end;
}

/** What holds for one of them and would let it pass must hold for all. */
function together(contexts: readonly FactContext[]): FactContext | null {
  const [first] = contexts;
  if (first === undefined || contexts.length === 1) return first ?? null;
  const union = (pick: (context: FactContext) => readonly string[]): readonly string[] => [...new Set(contexts.flatMap(pick))].sort();
  return {
    kind: 'multi',
    statements: contexts.reduce((sum, { statements }) => sum + statements, 0),
    has_where: contexts.every(({ has_where }) => has_where),
    has_limit: contexts.every(({ has_limit }) => has_limit),
    tables: union(({ tables }) => tables),
    columns: union(({ columns }) => columns),
    functions: union(({ functions }) => functions),
  };
}
