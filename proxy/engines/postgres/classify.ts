import { isUtf8 } from 'node:buffer';
import type { Facts } from '../../contract/operation.ts';
import type { Catalogue, Classified, Classifier, Statement } from './statement.ts';
import { Offload } from './classify-offload.ts';
import { outlineOf } from './classify-outline.ts';
import { loadGrammar } from './classify-parser.ts';
import type { Parser } from './classify-parser.ts';
import { scanRefusal, statementFrom, unclassified } from './classify-statement.ts';
import type { Outline } from './classify-statement.ts';
import { TextCache, substituted } from './template.ts';
import { Scanner } from './template-scanner.ts';

export interface ClassifierOptions {
  /** from `loadParser`; shared by all classifiers of a process */
  readonly parser: SqlParser;
  /** longer texts are refused; default 16 MiB */
  readonly maxBytes?: number;
  /** longer texts are parsed in the worker; default 32 KiB */
  readonly inlineBytes?: number;
  /** names, operators and brackets of a text parsed here; default 600 */
  readonly inlineWeight?: number;
  /** bytes of cached statements, estimated; default 32 MiB */
  readonly cacheBytes?: number;
}

/** PostgreSQL's grammar: an instance in this thread for short texts and a worker, started on demand, for long ones. */
export interface SqlParser extends AsyncDisposable {
  readonly inline: Parser;
  readonly offload: Offload;
}

/** Loads the grammar. `deadlineMs` bounds the parsing of one long text; default 10 s. Throws ERR_INTERNAL. */
export async function loadParser(options: { readonly deadlineMs?: number } = {}): Promise<SqlParser> {
  const inline = await loadGrammar();
  const offload = new Offload(options.deadlineMs ?? 10_000);
  return { inline, offload, [Symbol.asyncDispose]: () => offload.close() };
}

/** One per (target database, catalogue epoch). */
export function createClassifier(catalogue: Catalogue, options: ClassifierOptions): Classifier {
  return new TemplateClassifier(catalogue, options);
}

/** Values that stand for any other of their token class when a template is proven; the last number is no int4. */
const variants = [
  { text: "''", number: '0' },
  { text: "'7 x'", number: '7' },
  { text: "'off'", number: '98765432109876543210' },
] as const;

const notUtf8 = unclassified('ERR_STATEMENT_UNPARSEABLE', 'encoding', 'The statement is not valid UTF-8.');
const tooLarge = unclassified('ERR_STATEMENT_TOO_LARGE', 'length');
const notNow = unclassified('ERR_STATEMENT_TOO_LARGE', 'parser', 'The parser is not available.');

class TemplateClassifier implements Classifier {
  readonly #catalogue: Catalogue;
  readonly #parser: SqlParser;
  readonly #maxBytes: number;
  readonly #inlineBytes: number;
  readonly #inlineWeight: number;
  readonly #scanner: Scanner;
  /** normalised text → statement; null: literals matter, look at the exact text */
  readonly #templates: TextCache<Statement | null>;
  readonly #texts: TextCache<Statement>;
  readonly #facts: TextCache<Facts>;

  constructor(catalogue: Catalogue, options: ClassifierOptions) {
    const cacheBytes = options.cacheBytes ?? 32 * 1024 * 1024;
    this.#catalogue = catalogue;
    this.#parser = options.parser;
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
    this.#inlineBytes = options.inlineBytes ?? 32 * 1024;
    this.#inlineWeight = options.inlineWeight ?? 600;
    this.#scanner = new Scanner(this.#inlineBytes);
    this.#templates = new TextCache(cacheBytes / 2);
    this.#texts = new TextCache(cacheBytes / 4);
    this.#facts = new TextCache(cacheBytes / 4);
  }

  classify(sql: Uint8Array): Classified | Promise<Classified> {
    if (sql.length > this.#inlineBytes) return sql.length > this.#maxBytes ? tooLarge : this.#offload(sql);
    const scanner = this.#scanner;
    scanner.scan(sql);
    if (scanner.fault !== null) return scanRefusal(scanner.fault);
    const key = scanner.unusual ? null : scanner.out.toString('latin1', 0, scanner.length);
    const known = key === null ? undefined : this.#templates.get(key);
    if (known !== undefined && known !== null && !scanner.nonAscii) return known;
    return this.#uncommon(sql, key, known);
  }

  #uncommon(sql: Uint8Array, key: string | null, known: Statement | null | undefined): Classified | Promise<Classified> {
    const bytes = Buffer.from(sql.buffer, sql.byteOffset, sql.length);
    if (!isUtf8(bytes)) return notUtf8;
    if (known !== undefined && known !== null) return known;
    const text = bytes.toString('latin1');
    const exact = this.#texts.get(text);
    if (exact !== undefined) return exact;
    if (this.#scanner.weight > this.#inlineWeight) return this.#offload(sql);
    if (!this.#parser.inline.ready) return this.#afterRecovery(sql);
    return this.#parse(bytes, text, known === null ? null : key);
  }

  /** A text before this one broke the parser. */
  async #afterRecovery(sql: Uint8Array): Promise<Classified> {
    const copy = Uint8Array.from(sql);
    await this.#parser.inline.recovered();
    return this.#parser.inline.ready ? this.classify(copy) : notNow;
  }

  async #offload(sql: Uint8Array): Promise<Classified> {
    const outline = await this.#parser.offload.outline(Uint8Array.from(sql), this.#catalogue);
    return 'code' in outline ? outline : this.#statement(outline);
  }

  #parse(bytes: Buffer, text: string, key: string | null): Classified {
    const { inline } = this.#parser;
    const outline = outlineOf(inline, this.#scanner, bytes, this.#catalogue);
    if (!inline.ready) void inline.recovered().catch(() => undefined);
    if ('code' in outline) return outline;
    const statement = this.#statement(outline);
    const isProven = key !== null && outline.analysis.isTemplate && this.#proves(bytes, key, outline);
    const cost = 1_000 + 4 * (key ?? text).length + 100 * (outline.analysis.acts.length + outline.columns.size);
    if (key !== null) this.#templates.set(key, isProven ? statement : null, isProven ? cost : 0);
    if (!isProven) this.#texts.set(text, statement, cost);
    return statement;
  }

  /** Other literals in the same places must give the same facts, columns, lineage and fingerprint. */
  #proves(bytes: Buffer, key: string, outline: Outline): boolean {
    const { inline } = this.#parser;
    const wanted = signature(outline);
    const print = inline.fingerprint(bytes);
    if (print === null) return false;
    const scanner = this.#scanner;
    scanner.scan(bytes);
    const others = variants.map((values) => substituted(scanner, bytes, values));
    return others.every((other) => {
      if (other === null || other.length > this.#inlineBytes) return false;
      scanner.scan(other);
      if (scanner.unusual || scanner.fault !== null || scanner.out.toString('latin1', 0, scanner.length) !== key) return false;
      const found = outlineOf(inline, scanner, other, this.#catalogue);
      return !('code' in found) && signature(found) === wanted && inline.fingerprint(other) === print;
    });
  }

  #statement(outline: Outline): Statement {
    return statementFrom(outline, { scanner: this.#scanner, catalogue: this.#catalogue, intern: (facts) => this.#interned(facts) });
  }

  #interned(facts: Facts): Facts {
    const key = JSON.stringify([facts.template, facts.acts, facts.effect, facts.context, facts.copies]);
    const known = this.#facts.get(key);
    if (known !== undefined) return known;
    this.#facts.set(key, facts, 2 * key.length);
    return facts;
  }
}

function signature(outline: Outline): string {
  // the offsets of literals move with their lengths; their ordinals are in `columns`
  return JSON.stringify([{ ...outline.analysis, literals: [] }, outline.template, [...outline.columns]]);
}
