import { fail } from '../contract/errors.ts';
import { parseJson } from '../lib/json/strict-json.ts';
import { serialise } from '../lib/json/serialise.ts';
import type { Secret } from '../lib/secret.ts';
import type { DocumentKind, Masked } from '../pipeline/engine.ts';
import type { CompiledDocumentMasker } from '../pipeline/ports.ts';
import { mayNeedJsonMask } from './json-look.ts';
import { maskJson } from './json.ts';
import { createTextStream } from './stream.ts';
import type { Count } from './value.ts';

const maxBytes = 67_108_864;
const maxDepth = 128;
const maxNodes = 4_000_000;

/** Masks whole JSON texts, or one text in chunks. A fault is ERR_MASKING_FAILED: what could not be looked at is not shown. */
export function compileDocument({ kind, media }: DocumentKind, conceal: () => readonly Secret<string>[]): CompiledDocumentMasker {
  const counts: Record<string, number> = {};
  const count: Count = (rule, times) => {
    counts[rule] = (counts[rule] ?? 0) + times;
  };
  const ledger = (): Record<string, number> => {
    const taken = { ...counts };
    for (const rule of Object.keys(counts)) Reflect.deleteProperty(counts, rule);
    return taken;
  };
  const guarded = (mask: () => Uint8Array): Masked => {
    try {
      return mask() as Masked;
    } catch (error) {
      throw fail('ERR_MASKING_FAILED', { cause: error });
    }
  };
  if (kind === 'json') {
    const values = concealed(conceal);
    return {
      push: (text) => guarded(() => maskWhole(text, { media, conceal: values() }, count)),
      end: () => new Uint8Array(0) as Masked,
      ledger,
    };
  }
  if (kind === 'bytes') {
    count('media:passed', 1);
    return { push: (chunk) => chunk as Masked, end: () => new Uint8Array(0) as Masked, ledger };
  }
  const stream = createTextStream({ media, conceal: conceal().map((secret) => secret.reveal()), boundary: kind === 'events' ? 'sse' : 'none' }, count);
  return { push: (chunk) => guarded(() => stream.push(chunk)), end: () => guarded(() => stream.end()), ledger };
}

/** The same list while the secrets are the same: what searches for them is kept by it. */
function concealed(conceal: () => readonly Secret<string>[]): () => readonly string[] {
  let secrets: readonly Secret<string>[] | null = null;
  let values: readonly string[] = [];
  return () => {
    const now = conceal();
    if (now !== secrets) {
      secrets = now;
      values = now.map((secret) => secret.reveal());
    }
    return values;
  };
}

function maskWhole(text: Uint8Array, options: Parameters<typeof maskJson>[1], count: Count): Uint8Array {
  if (!mayNeedJsonMask(text, options.conceal)) return text;
  const { node, changed } = maskJson(parseJson(text, { maxBytes, maxDepth, maxNodes }), options, count, text.length);
  return changed ? serialise(node) : text;
}
