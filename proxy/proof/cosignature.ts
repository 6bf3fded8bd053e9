import { concatBytes, equalBytes, fromBase64, type Sha256, toBase64, toHex, utf8, type VerifyEd25519 } from './bytes.ts';
import { canonicalJson } from './canonical.ts';
import { type Checkpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { cosignatureType, formatNote, formatVerifierKey, type Opened, parseNote, parseVerifierKey, type VerifierKey } from './note.ts';
import { verifyConsistency } from './proofs.ts';

/** C2SP tlog-cosignature (`cosignature/v1`, Ed25519): what a witness says of a checkpoint, and when. */
const timestampBytes = 8;
const signatureBytes = 64;
const maxLineChars = 500;
/** a checkpoint has some hundred */
const maxKeptChars = 10_000;
/** the end of the year 9999 */
const maxSeconds = 253_402_300_799;

/** A checkpoint as its witness cosigned it. */
export interface Cosigned {
  readonly checkpoint: Checkpoint;
  /** POSIX seconds, by the clock of the witness */
  readonly at: number;
}

/** Makes the 64 bytes of an Ed25519 signature over a message. */
export type SignEd25519 = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** The verifier key of a witness: `name+id+base64(0x04 || public key)`. Throws RangeError on a bad name or key length. */
export function formatWitnessKey(name: string, publicKey: Uint8Array, sha256: Sha256): string {
  return formatVerifierKey(name, publicKey, sha256, cosignatureType);
}

/** Null unless the text is whole, of a witness, and its id fits name and key. */
export function parseWitnessKey(text: string, sha256: Sha256): VerifierKey | null {
  return parseVerifierKey(text, sha256, cosignatureType);
}

/**
 * What the key of a witness signs when it is registered: that it is there, for this service and under this name alone.
 * `service`: origin of its log; `name`: of the witness; `publicKey`: 32 bytes.
 */
export function witnessBytes(service: string, name: string, publicKey: Uint8Array): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-witness', v: 1, service, name, publicKey: toBase64(publicKey) }));
}

/**
 * The note signature line of a witness (without newline). `text`: the checkpoint's note text, ending in a newline; `at`:
 * POSIX seconds. Throws RangeError on what is no checkpoint or no time, or when the signature has another length.
 */
export async function signCosignature({ text, key, at }: { text: string; key: VerifierKey; at: number }, sign: SignEd25519): Promise<string> {
  if (parseCheckpoint(text) === null) throw new RangeError('not a checkpoint');
  const stamp = timestampOf(at);
  const signed = await sign(cosignedMessage(text, at));
  if (signed.length !== signatureBytes) throw new RangeError('not an Ed25519 signature');
  const note = formatNote(text, [{ name: key.name, id: key.id, signature: concatBytes([stamp, signed]) }]);
  return note.slice(text.length + 1, -1);
}

/** The checkpoint and the time, once the one signature line is of `key` and holds for exactly this text. */
export async function openCosignature(
  { text, line, key }: { text: string; line: string; key: VerifierKey },
  verify: VerifyEd25519,
): Promise<Opened<{ cosigned: Cosigned }>> {
  if (line.length > maxLineChars || line.includes('\n')) return { ok: false, why: 'the cosignature is not one line' };
  const checkpoint = parseCheckpoint(text);
  const parsed = parseNote(`${text}\n${line}\n`);
  const [only] = parsed.ok ? parsed.signatures : [];
  if (checkpoint === null || !parsed.ok || parsed.text !== text) return { ok: false, why: 'what was cosigned is not a checkpoint' };
  if (only?.name !== key.name || only.id !== key.id) return { ok: false, why: `the cosignature is not of ${key.name} with key ${key.id}` };
  const at = secondsOf(only.signature);
  if (at === null) return { ok: false, why: 'the cosignature has no time' };
  if (!(await verify(key.publicKey, cosignedMessage(text, at), only.signature.subarray(timestampBytes)))) {
    return { ok: false, why: `the cosignature of ${key.name} does not hold` };
  }
  return { ok: true, cosigned: { checkpoint, at } };
}

/** The raw bytes of a base64 signature; null for anything that is not 64 bytes. */
export function signatureOf(text: string): Uint8Array | null {
  const bytes = fromBase64(text);
  return bytes?.length === signatureBytes ? bytes : null;
}

function cosignedMessage(text: string, at: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${String(at)}\n${text}`);
}

function timestampOf(seconds: number): Uint8Array {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > maxSeconds) throw new RangeError('not a time in seconds');
  const bytes = new Uint8Array(timestampBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(seconds));
  return bytes;
}

function secondsOf(signature: Uint8Array): number | null {
  if (signature.length !== timestampBytes + signatureBytes) return null;
  const seconds = Number(new DataView(signature.buffer, signature.byteOffset, timestampBytes).getBigUint64(0));
  return seconds <= maxSeconds ? seconds : null;
}

/** A checkpoint as the service gives it. */
export interface SeenCheckpoint {
  /** signed note */
  readonly note: string;
  /** verifier key of the log, as the service says it */
  readonly key: string;
  /** hashes of the consistency proof from the kept size to this one; null: not asked for yet */
  readonly proof: readonly Uint8Array[] | null;
}

/** What one witness knows of one log: plain JSON, to be stored before anything rests on it. */
export interface WitnessMemory {
  /** origin of the log, as enrolled */
  readonly service: string;
  /** verifier key of the log, from its first checkpoint on; null: none was seen */
  readonly key: string | null;
  /** signed note of the newest checkpoint that is consistent with all before it */
  readonly kept: string | null;
  /** never taken back by a later checkpoint: only a person lets go of it, by starting over */
  readonly alarm: WitnessAlarm | null;
}

export interface WitnessAlarm {
  /** one sentence for people */
  readonly why: string;
  /** the note that raised it: with the kept one it is evidence, for both are signed by the log */
  readonly note: string;
  readonly key: string;
}

/**
 * first: nothing was known, it is kept. same: nothing new. grown: it holds all that was known, and is kept. unproven: it is
 * larger, and the proof from `from` to `size` is missing; nothing is kept. alarm: see the memory.
 */
export type WitnessStep =
  | { readonly verdict: 'first' | 'same' | 'grown'; readonly memory: WitnessMemory; readonly checkpoint: Checkpoint; readonly text: string }
  | { readonly verdict: 'unproven'; readonly memory: WitnessMemory; readonly from: number; readonly size: number }
  | { readonly verdict: 'alarm'; readonly memory: WitnessMemory; readonly why: string };

export interface Proving {
  readonly sha256: Sha256;
  readonly verify: VerifyEd25519;
}

/** A witness that has seen nothing. `service`: origin of the log, as enrolled. */
export function newWitnessMemory(service: string): WitnessMemory {
  return { service, key: null, kept: null, alarm: null };
}

/**
 * The decision of a witness on one checkpoint. Pure: the caller stores `memory` and then acts. Cosign (`signCosignature`) the
 * `text` of `first`, `same` and `grown` only.
 */
export async function witnessStep(memory: WitnessMemory, seen: SeenCheckpoint, proving: Proving): Promise<WitnessStep> {
  if (memory.alarm !== null) return { verdict: 'alarm', memory, why: memory.alarm.why };
  const why = await contradiction(memory, seen, proving);
  if (typeof why !== 'string') return why;
  const alarm = { why, note: seen.note.slice(0, maxKeptChars), key: seen.key.slice(0, maxKeptChars) };
  return { verdict: 'alarm', memory: { ...memory, alarm }, why };
}

/** The step, or the sentence that says why it is an alarm. */
async function contradiction(memory: WitnessMemory, seen: SeenCheckpoint, proving: Proving): Promise<WitnessStep | string> {
  if (seen.note.length > maxKeptChars) return 'The service gave a checkpoint that is too long to be one.';
  if (memory.key !== null && seen.key !== memory.key) return 'The service signs its log with another key than before.';
  const newer = await opened(seen.note, seen.key, { memory, proving });
  if (typeof newer === 'string') return `The service gave a checkpoint that does not hold: ${newer}.`;
  if (memory.kept === null) return { verdict: 'first', ...keeping(memory, seen), checkpoint: newer };
  const older = await opened(memory.kept, seen.key, { memory, proving });
  if (typeof older === 'string') return `What this machine kept of the log is damaged: ${older}.`;
  return compared({ older, newer }, { memory, seen, sha256: proving.sha256 });
}

function compared(
  { older, newer }: { older: Checkpoint; newer: Checkpoint },
  { memory, seen, sha256 }: { memory: WitnessMemory; seen: SeenCheckpoint; sha256: Sha256 },
): WitnessStep | string {
  if (newer.size < older.size) {
    return `The log was rolled back: it had ${String(older.size)} events and now has ${String(newer.size)}.`;
  }
  if (newer.size === older.size) {
    if (equalBytes(newer.root, older.root)) return { verdict: 'same', memory, checkpoint: newer, text: textOf(seen.note) };
    return `The log was rewritten: at ${String(older.size)} events its root was ${short(older.root)} and now is ${short(newer.root)}.`;
  }
  if (seen.proof === null) return { verdict: 'unproven', memory, from: older.size, size: newer.size };
  const claim = { oldSize: older.size, oldRoot: older.root, size: newer.size, root: newer.root, proof: seen.proof };
  if (verifyConsistency(claim, sha256)) return { verdict: 'grown', ...keeping(memory, seen), checkpoint: newer };
  return `The log was rewritten: its first ${String(older.size)} events are not those that were there before.`;
}

function keeping(memory: WitnessMemory, { note, key }: SeenCheckpoint): { memory: WitnessMemory; text: string } {
  return { memory: { ...memory, key, kept: note }, text: textOf(note) };
}

/** The checkpoint of a note that the log signed; else what is wrong with it. */
async function opened(note: string, key: string, { memory, proving }: { memory: WitnessMemory; proving: Proving }): Promise<Checkpoint | string> {
  const verifier = parseVerifierKey(key, proving.sha256);
  if (verifier === null) return 'the key of the log is malformed';
  if (verifier.name !== memory.service) return `it is of ${verifier.name}, not of ${memory.service}`;
  const result = await openCheckpoint(note, verifier, proving.verify);
  return result.ok ? result.checkpoint : result.why;
}

/** The signed part of a note that was opened before. */
function textOf(note: string): string {
  const parsed = parseNote(note);
  return parsed.ok && parseCheckpoint(parsed.text) !== null ? parsed.text : '';
}

function short(root: Uint8Array): string {
  return toHex(root.subarray(0, 4));
}
