import { createRequire } from 'node:module';
import { fail } from '../../contract/errors.ts';
import { reasonOf } from '../../lib/errors.ts';
import { isTree, listAt, nodeAt } from './classify-tree.ts';
import type { Node } from './classify-tree.ts';

/** What we use of the emscripten module; its own wrapper decodes and encodes the text twice. */
interface Binary {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  readonly _malloc: (bytes: number) => number;
  readonly _free: (pointer: number) => void;
  readonly _wasm_parse_query_raw: (text: number) => number;
  readonly _wasm_free_parse_result: (result: number) => void;
  readonly _wasm_fingerprint: (text: number) => number;
  readonly _wasm_free_string: (text: number) => void;
  readonly UTF8ToString: (pointer: number) => string;
}

/** The statements of a text, or why there are none. */
export type Parsed = { readonly statements: readonly Node[] } | { readonly fault: 'syntax' | 'crash'; readonly message: string };

/** A grown heap never shrinks, so the instance is replaced above this. */
const maxHeapBytes = 256 * 1024 * 1024;

/** PostgreSQL's own grammar. An instance that trapped is not used again. */
export class Parser {
  #binary: Binary | null;
  #loading: Promise<void> | null = null;

  constructor(binary: Binary) {
    this.#binary = binary;
  }

  get ready(): boolean {
    return this.#binary !== null;
  }

  /** Resolves when the parser can be used (again). Rejects ERR_INTERNAL when it can't be loaded. */
  async recovered(): Promise<void> {
    if (this.#binary !== null) return;
    this.#loading ??= instantiate()
      .then((binary) => {
        this.#binary = binary;
      })
      .finally(() => {
        this.#loading = null;
      });
    await this.#loading;
  }

  /** `sql` is valid UTF-8 without NUL and holds at least one statement or only white space. */
  parse(sql: Uint8Array): Parsed {
    const binary = this.#binary;
    if (binary === null) return { fault: 'crash', message: 'parser not ready' };
    try {
      return this.#parse(binary, sql);
    } catch (error) {
      // a trap leaves the stack pointer of the instance where it was
      this.#binary = null;
      return { fault: 'crash', message: reasonOf(error) };
    }
  }

  /** The parser's own fingerprint of the shape; null when the text does not parse. */
  fingerprint(sql: Uint8Array): string | null {
    const binary = this.#binary;
    if (binary === null) return null;
    try {
      const text = copyIn(binary, sql);
      const result = binary._wasm_fingerprint(text);
      const print = binary.UTF8ToString(result);
      binary._free(text);
      binary._wasm_free_string(result);
      return /^[0-9a-f]{16}$/.test(print) ? print : null;
    } catch {
      this.#binary = null;
      return null;
    }
  }

  #parse(binary: Binary, sql: Uint8Array): Parsed {
    const text = copyIn(binary, sql);
    const result = binary._wasm_parse_query_raw(text);
    if (result === 0) {
      this.#binary = null;
      return { fault: 'crash', message: 'out of memory' };
    }
    const [tree = 0, , error = 0] = binary.HEAPU32.subarray(result >> 2, (result >> 2) + 3);
    const parsed = error === 0 ? statementsOf(binary.UTF8ToString(tree)) : syntaxFault(binary, error);
    binary._wasm_free_parse_result(result);
    binary._free(text);
    if (binary.HEAPU8.length > maxHeapBytes) this.#binary = null;
    return parsed;
  }
}

function syntaxFault(binary: Binary, error: number): Parsed {
  const message = binary.HEAPU32[error >> 2] ?? 0;
  return { fault: 'syntax', message: message === 0 ? 'syntax error' : binary.UTF8ToString(message) };
}

function statementsOf(json: string): Parsed {
  const tree: unknown = JSON.parse(json);
  const statements: Node[] = [];
  for (const raw of isTree(tree) ? listAt(tree, 'stmts') : []) {
    const node = isTree(raw) ? nodeAt(raw, 'stmt') : null;
    if (node === null) return { fault: 'syntax', message: 'no statement' };
    statements.push(node);
  }
  return { statements };
}

function copyIn(binary: Binary, sql: Uint8Array): number {
  const pointer = binary._malloc(sql.length + 1);
  if (pointer === 0) throw fail('ERR_STATEMENT_TOO_LARGE', { detail: 'parser out of memory' });
  const heap = binary.HEAPU8;
  heap.set(sql, pointer);
  heap[pointer + sql.length] = 0;
  return pointer;
}

/** Loads PostgreSQL's grammar (about 30 ms). Throws ERR_INTERNAL when the module is not what we know. */
export async function loadGrammar(): Promise<Parser> {
  return new Parser(await instantiate());
}

async function instantiate(): Promise<Binary> {
  const factory: unknown = createRequire(import.meta.url)('libpg-query/wasm/libpg-query.js');
  if (!isFactory(factory)) throw fail('ERR_INTERNAL', { detail: 'libpg-query exports no factory' });
  const binary: unknown = await factory({ print: ignore, printErr: ignore });
  if (!isBinary(binary)) throw fail('ERR_INTERNAL', { detail: 'libpg-query exports other functions than expected' });
  return binary;
}

function isFactory(value: unknown): value is (options: { readonly print: () => void; readonly printErr: () => void }) => Promise<unknown> {
  return typeof value === 'function';
}

function ignore(): void {
  // the parser's own warnings would quote the statement
}

function isBinary(value: unknown): value is Binary {
  if (typeof value !== 'object' || value === null) return false;
  const functions = ['_malloc', '_free', '_wasm_parse_query_raw', '_wasm_free_parse_result', '_wasm_fingerprint', '_wasm_free_string', 'UTF8ToString'];
  return functions.every((name) => typeof Reflect.get(value, name) === 'function') && Reflect.get(value, 'HEAPU8') instanceof Uint8Array;
}
