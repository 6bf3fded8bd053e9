import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import type { Output } from '../../../proxy/contract/api.ts';
import { reasonOf } from '../../../proxy/lib/errors.ts';
import { equalBytes, fromBase64, toBase64, toHex, utf8, type Sha256, type VerifyEd25519 } from '../../../proxy/proof/bytes.ts';
import { canonicalJson } from '../../../proxy/proof/canonical.ts';
import { openCheckpoint, type Checkpoint } from '../../../proxy/proof/checkpoint.ts';
import { leafHash } from '../../../proxy/proof/merkle.ts';
import { parseVerifierKey } from '../../../proxy/proof/note.ts';
import { verifyConsistency, verifyInclusion } from '../../../proxy/proof/proofs.ts';

/** One thing that was computed here, with what it was computed from. */
export interface ProofStep {
  readonly title: string;
  readonly ok: boolean;
  /** one sentence */
  readonly detail: string;
  readonly values: readonly (readonly [name: string, value: string])[];
}

export interface Primitives {
  readonly sha256: Sha256;
  readonly verify: VerifyEd25519;
}

type SignedHead = Output<'auditCheckpoint'>;
type Proof = Output<'auditInclusion'>;

export function isProven(steps: readonly ProofStep[]): boolean {
  return steps.length > 0 && steps.every(({ ok }) => ok);
}

/** The checkpoint's own step, and the checkpoint once its signature holds. */
export async function checkHead({ checkpoint: note, key }: SignedHead, { sha256, verify }: Primitives): Promise<{ step: ProofStep; head: Checkpoint | null }> {
  const parsed = parseVerifierKey(key, sha256);
  const title = 'The log signed its head';
  if (parsed === null)
    return { head: null, step: { title, ok: false, detail: 'What the service says is its key is no verifier key.', values: [['Key', key]] } };
  const opened = await openCheckpoint(note, parsed, verify);
  const values = [
    ['Key', key],
    ['Fingerprint', keyFingerprint(parsed.publicKey, sha256)],
    ['Checkpoint', note],
  ] as const;
  if (!opened.ok) return { head: null, step: { title, ok: false, detail: `It does not hold: ${opened.why}.`, values } };
  const { origin, size } = opened.checkpoint;
  return { head: opened.checkpoint, step: { title, ok: true, detail: `The Ed25519 signature of ${origin} over size ${size} and root holds.`, values } };
}

/** SHA-256 of the raw public key, hexadecimal in groups of four: to be compared by eye. */
function keyFingerprint(publicKey: Uint8Array, sha256: Sha256): string {
  return toHex(sha256(publicKey)).match(/.{4}/g)?.join(' ') ?? '';
}

interface EventClaim {
  readonly event: AuditEventView;
  readonly signed: SignedHead;
  readonly proof: Proof;
}

/**
 * Everything that makes an event part of the log, computed from the bytes that are on the screen (docs/adr/0003-log-format.md,
 * RFC 6962 section 2.1, RFC 9162 section 2.1.3.2). Nothing that the service claims is taken for granted but its key.
 */
export async function proveEvent({ event, signed, proof }: EventClaim, primitives: Primitives): Promise<readonly ProofStep[]> {
  const { sha256 } = primitives;
  const leaf = leafOf(event, sha256);
  const { step, head } = await checkHead(signed, primitives);
  if (!leaf.hash) return [leaf.step, step];
  return [agreeing(leaf, proof), path(leaf.hash, { event, proof, head }, sha256), rooted(proof, head), step];
}

interface Leaf {
  readonly hash: Uint8Array | null;
  readonly step: ProofStep;
}

function leafOf({ header }: AuditEventView, sha256: Sha256): Leaf {
  const title = 'The event has this hash';
  try {
    // what canonical JSON cannot hold throws
    const bytes = utf8(canonicalJson(header));
    const hash = leafHash(bytes, sha256);
    const values = [
      ['Bytes', `${bytes.length} of canonical JSON (RFC 8785)`],
      ['Leaf hash', toBase64(hash)],
    ] as const;
    return { hash, step: { title, ok: true, detail: 'SHA-256 over 0x00 and the bytes of the header that is shown.', values } };
  } catch (error) {
    return { hash: null, step: { title, ok: false, detail: `The header has no canonical form: ${reasonOf(error)}.`, values: [] } };
  }
}

function agreeing({ hash, step }: Leaf, { leaf }: Proof): ProofStep {
  const claimed = leaf === null ? null : fromBase64(leaf);
  if (leaf === null || (hash && claimed && equalBytes(hash, claimed))) return step;
  return {
    ...step,
    ok: false,
    detail: 'The service says that this event has another hash: the header shown is not the one in the log.',
    values: [...step.values, ['Service says', leaf]],
  };
}

function path(leaf: Uint8Array, { event, proof, head }: { event: AuditEventView; proof: Proof; head: Checkpoint | null }, sha256: Sha256): ProofStep {
  const title = 'Its path leads to the root';
  const hashes = hashesOf(proof.hashes);
  const values: (readonly [string, string])[] = proof.hashes.map((hash, at) => [`Neighbour ${at + 1}`, hash]);
  if (head === null) return { title, ok: false, detail: 'There is no signed root to compare with.', values };
  const ok = verifyInclusion({ leaf, index: event.index, size: head.size, root: head.root, proof: hashes }, sha256);
  const at = `event ${event.index} of ${head.size}`;
  const detail = ok
    ? `Hashing upwards over ${hashes.length} neighbours from ${at} gives exactly the root of the checkpoint.`
    : `Hashing upwards from ${at} does not give the root of the checkpoint: this event is not part of the log that was signed.`;
  return { title, ok, detail, values: [...values, ['Root', toBase64(head.root)]] };
}

function rooted(proof: Proof, head: Checkpoint | null): ProofStep {
  const title = 'The proof is for the signed size';
  const ok = head !== null && proof.kind === 'inclusion' && proof.size === head.size;
  const detail = ok
    ? 'Proof and checkpoint speak of the same tree.'
    : head === null
      ? 'There is no checkpoint that holds.'
      : `The proof is for ${proof.size} events, the checkpoint for ${head.size}.`;
  return { title, ok, detail, values: [['Size', String(proof.size)]] };
}

/** What is not a hash makes a proof that does not hold. */
function hashesOf(texts: readonly string[]): readonly Uint8Array[] {
  return texts.map((text) => fromBase64(text) ?? new Uint8Array(0));
}

interface GrowthClaim {
  readonly older: Pick<Checkpoint, 'size' | 'root'>;
  readonly signed: SignedHead;
  /** hashes of the consistency proof */
  readonly hashes: readonly string[];
}

/** Whether the log of now still holds everything that the older checkpoint held. */
export async function proveGrowth({ older, signed, hashes }: GrowthClaim, primitives: Primitives): Promise<readonly ProofStep[]> {
  const { step, head } = await checkHead(signed, primitives);
  const title = 'The log only grew';
  if (head === null) return [step, { title, ok: false, detail: 'There is no signed head to compare with.', values: [] }];
  const ok = verifyConsistency({ oldSize: older.size, oldRoot: older.root, size: head.size, root: head.root, proof: hashesOf(hashes) }, primitives.sha256);
  const values = [
    ['Older root', toBase64(older.root)],
    ...hashes.map((hash, at) => [`Hash ${at + 1}`, hash] as const),
    ['Root now', toBase64(head.root)],
  ] as const;
  const detail = ok
    ? `All ${older.size} events of the older checkpoint are unchanged at the beginning of the ${head.size} of now.`
    : older.size > head.size
      ? `The log has ${head.size} events now and had ${older.size}: it was rolled back.`
      : `The first ${older.size} events are not what they were: the log was changed.`;
  return [step, { title, ok, detail, values }];
}

/** All of it as text, to be kept or sent. `at`: RFC 3339. */
export function proofText(title: string, steps: readonly ProofStep[], at: string): string {
  const lines = steps.flatMap(({ title: name, ok, detail, values }, place) => [
    `${place + 1}. ${ok ? 'OK' : 'FAILED'}  ${name}`,
    `   ${detail}`,
    ...values.map(([key, value]) => `   ${key}: ${value.trimEnd().replaceAll('\n', '\n      ')}`),
    '',
  ]);
  return `${title}\n${isProven(steps) ? 'PROVEN' : 'NOT PROVEN'}, computed ${at}\n\n${lines.join('\n')}`;
}
