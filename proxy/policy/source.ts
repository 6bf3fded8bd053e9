/**
 * Cuts Cedar text into policies and bounds their nesting before Cedar sees them: its parser recurses, and running out of
 * stack inside WebAssembly leaves the module unusable for good. Only lexing is done here; Cedar judges the rest.
 */
export interface PolicySource {
  /** from the first annotation (or `permit`) to the semicolon */
  readonly text: string;
  /** UTF-16 offset of `text` in the file */
  readonly start: number;
  /** annotation name → UTF-16 offset in the file */
  readonly annotations: ReadonlyMap<string, number>;
}

export interface SourceFault {
  readonly offset: number;
  readonly message: string;
}

/** Measured with cedar-wasm 4.13.0: 60 levels with 120 operators, or 350 operators, are the first to fail. */
export const sourceLimits = { fileCharacters: 262_144, nesting: 24, operators: 160 } as const;

// comment | string | annotation | name or number | operator | anything else, one character
const lexeme = /\/\/[^\n\r]*|"(?:\\[\s\S]|[^"\\])*"|@\s*([A-Za-z_][A-Za-z0-9_]*)|[A-Za-z_0-9]+|&&|\|\||==|!=|<=|>=|::|\S/gu;
const openers = '([{';
const closers = ')]}';
const wordOperators: ReadonlySet<string> = new Set(['if', 'then', 'else', 'in', 'has', 'like', 'is', 'when', 'unless']);
const symbolOperators: ReadonlySet<string> = new Set(['&&', '||', '==', '!=', '<=', '>=', '<', '>', '+', '-', '*', '.', '!']);

interface Draft {
  start: number;
  depth: number;
  operators: number;
  annotations: Map<string, number>;
}

/** The policies of one file in order, or the first fault that must keep the text from Cedar. */
export function splitPolicies(text: string): { readonly policies: readonly PolicySource[] } | SourceFault {
  if (text.length > sourceLimits.fileCharacters) return { offset: 0, message: `a policy file may hold ${sourceLimits.fileCharacters} characters` };
  if (!text.isWellFormed()) return { offset: 0, message: 'the text is not valid Unicode' };
  const policies: PolicySource[] = [];
  let draft: Draft | null = null;
  for (const match of text.matchAll(lexeme)) {
    const [token, annotation] = match;
    if (token.startsWith('//')) continue;
    draft ??= { start: match.index, depth: 0, operators: 0, annotations: new Map() };
    if (token === ';' && draft.depth === 0) {
      policies.push({ text: text.slice(draft.start, match.index + 1), start: draft.start, annotations: draft.annotations });
      draft = null;
      continue;
    }
    if (annotation !== undefined) draft.annotations.set(annotation, match.index);
    const fault = count(draft, token);
    if (fault !== null) return { offset: match.index, message: fault };
  }
  if (draft !== null) policies.push({ text: text.slice(draft.start), start: draft.start, annotations: draft.annotations });
  return { policies };
}

function count(draft: Draft, token: string): string | null {
  if (openers.includes(token)) draft.depth += 1;
  else if (closers.includes(token)) draft.depth = Math.max(0, draft.depth - 1);
  else if (symbolOperators.has(token) || wordOperators.has(token)) draft.operators += 1;
  if (draft.depth > sourceLimits.nesting) return `brackets are nested deeper than ${sourceLimits.nesting}`;
  if (draft.operators > sourceLimits.operators) return `one policy may hold ${sourceLimits.operators} operators; split it`;
  return null;
}

/** Line and column (both from 1, columns in UTF-16 units) of a UTF-16 offset. */
export function positionAt(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const newline = before.lastIndexOf('\n');
  return { line: before.split('\n').length, column: offset - newline };
}

/** Cedar counts bytes of UTF-8: the UTF-16 offset of a byte offset. */
export function charactersAt(text: string, byte: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, byte)).length;
}
