import { concatBytes, fromBase64, type Sha256, toBase64, toHex, utf8, type VerifyEd25519 } from './bytes.ts';

/** C2SP signed-note with Ed25519 keys (signature type 1). */
const ed25519Type = 1;
/** C2SP tlog-cosignature: Ed25519 keys of witnesses. */
export const cosignatureType = 4;
/** of a key of 32 bytes */
type KeyType = typeof ed25519Type | typeof cosignatureType;
const maxNoteChars = 100_000;
const maxSignatures = 64;

export interface VerifierKey {
  readonly name: string;
  /** 8 hexadecimal digits */
  readonly id: string;
  /** 32 bytes */
  readonly publicKey: Uint8Array;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  readonly signature: Uint8Array;
}

export type Opened<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly why: string };

export function isKeyName(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && !/[\s+\p{Cc}]/u.test(name);
}

export function keyId(name: string, publicKey: Uint8Array, sha256: Sha256, type: KeyType = ed25519Type): string {
  return toHex(sha256(concatBytes([utf8(`${name}\n`), Uint8Array.of(type), publicKey])).subarray(0, 4));
}

/** The verifier key as text: `name+id+base64(type || public key)`. Throws RangeError on a bad name or key length. */
export function formatVerifierKey(name: string, publicKey: Uint8Array, sha256: Sha256, type: KeyType = ed25519Type): string {
  if (!isKeyName(name) || publicKey.length !== 32) throw new RangeError('not a key name and an Ed25519 public key');
  return `${name}+${keyId(name, publicKey, sha256, type)}+${toBase64(concatBytes([Uint8Array.of(type), publicKey]))}`;
}

/** Null unless the text is whole and its id fits name and key. */
export function parseVerifierKey(text: string, sha256: Sha256, type: KeyType = ed25519Type): VerifierKey | null {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  if (name === undefined || id === undefined || encoded === undefined || !isKeyName(name)) return null;
  const bytes = fromBase64(encoded);
  if (bytes?.length !== 33 || bytes[0] !== type) return null;
  const publicKey = bytes.subarray(1);
  return keyId(name, publicKey, sha256, type) === id ? { name, id, publicKey } : null;
}

/** `text` ends in a newline. Throws RangeError on text no note can hold. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  if (!isNoteText(text) || !text.endsWith('\n')) throw new RangeError('not a note text');
  const lines = signatures.map(({ name, id, signature }) => {
    const bytes = Uint8Array.from(id.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
    return `— ${name} ${toBase64(concatBytes([bytes, signature]))}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

export function parseNote(note: string): Opened<{ text: string; signatures: NoteSignature[] }> {
  if (note.length > maxNoteChars) return { ok: false, why: 'the note is too long' };
  if (!isNoteText(note)) return { ok: false, why: 'the note holds control characters' };
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return { ok: false, why: 'the note has no signatures' };
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > maxSignatures) return { ok: false, why: 'the note has too many signatures' };
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = parseSignature(line);
    if (signature === null) return { ok: false, why: 'a signature line is malformed' };
    signatures.push(signature);
  }
  return { ok: true, text: note.slice(0, split + 1), signatures };
}

/** The text, once a signature of `key` holds. Signatures of other keys are ignored; a bad one of `key` refuses the note. */
export async function openNote(note: string, key: VerifierKey, verify: VerifyEd25519): Promise<Opened<{ text: string }>> {
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  let verified = false;
  for (const { name, id, signature } of parsed.signatures) {
    if (name !== key.name || id !== key.id) continue;
    if (signature.length !== 64 || !(await verify(key.publicKey, utf8(parsed.text), signature))) {
      return { ok: false, why: `the signature of ${key.name} does not hold` };
    }
    verified = true;
  }
  return verified ? { ok: true, text: parsed.text } : { ok: false, why: `the note is not signed by ${key.name} with key ${key.id}` };
}

function parseSignature(line: string): NoteSignature | null {
  const [, name, encoded] = /^— (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) return null;
  const bytes = fromBase64(encoded);
  if (bytes === null || bytes.length < 5) return null;
  return { name, id: toHex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

function isNoteText(text: string): boolean {
  return text.isWellFormed() && !/[\p{Cc}--[\n\u007f-\u009f]]/v.test(text);
}
