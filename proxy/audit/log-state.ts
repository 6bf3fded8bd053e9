import { z } from 'zod';
import { type Canonical, canonicalJson } from '../proof/canonical.ts';
import { toHex, utf8 } from '../proof/bytes.ts';
import { sha256 } from './hashing.ts';

const count = z.int().min(0);

/** What the writer must know besides the entries to go on after a restart; `state.json`. */
export const LogState = z.strictObject({
  v: z.literal(1),
  origin: z.string(),
  /** entries that stand in tiles */
  size: count,
  /** the last segment of sealed bodies, and its length */
  bodies: z.strictObject({ segment: count, bytes: count }),
  /** newest durable ticket of each client */
  clients: z.record(z.string(), count),
  /** sessions and operations without an end; `index`: the entry that opened them */
  open: z.array(z.strictObject({ client: z.string(), scope: z.enum(['session', 'operation']), id: z.string(), session: z.string(), index: count })),
  /** the log was closed in order */
  clean: z.boolean(),
});
export type LogState = z.infer<typeof LogState>;
export type OpenScope = LogState['open'][number];

const Stored = z.strictObject({ state: LogState, check: z.string() });

function encode(state: LogState): string {
  const plain: Canonical = { ...state, bodies: { ...state.bodies }, open: state.open.map((scope) => ({ ...scope })) };
  return canonicalJson({ state: plain, check: toHex(sha256(utf8(canonicalJson(plain)))) });
}

export function encodeState(state: LogState): Buffer {
  return Buffer.from(`${encode(state)}\n`);
}

/** Null unless the bytes are exactly what `encodeState` wrote. */
export function decodeState(bytes: Buffer): LogState | null {
  try {
    const { state } = Stored.parse(JSON.parse(bytes.toString()));
    return encodeState(state).equals(bytes) ? state : null;
  } catch {
    return null;
  }
}
