import { fromBase64url, utf8, type VerifyEd25519 } from './bytes.ts';
import { canonicalJson, type Canonical } from './canonical.ts';

/** The request as it is signed; any member counts. */
export type SignedRequest = { readonly [key: string]: Canonical | undefined };

export interface DecisionText {
  readonly request: SignedRequest;
  readonly verdict: 'approve' | 'deny';
  /** user id and human of the approver */
  readonly approver: string;
  readonly human: string;
  readonly reason: string;
  /** accesses only: shorter than asked for; absent: as asked for, and no member of the text */
  readonly seconds?: number | undefined;
  /** RFC 3339 UTC */
  readonly at: string;
}

/** The bytes that an approver's key signs: canonical JSON (RFC 8785), so that what is shown is what is signed. */
export function decisionBytes({ request, verdict, approver, human, reason, seconds, at }: DecisionText): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-decision', v: 1, request, verdict, approver, human, reason, seconds, at }));
}

/** Possession of the key at enrolment. `codeHash`: SHA-256 of the code, base64url. */
export function enrolmentBytes(codeHash: string, publicKey: string): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-enrolment', v: 1, code: codeHash, publicKey }));
}

/** `service`: origin of the service's log, so that the signature is good for this service alone. */
export function signInBytes({ service, user, at, nonce }: { service: string; user: string; at: string; nonce: string }): Uint8Array {
  return utf8(canonicalJson({ type: 'postern-sign-in', v: 1, service, user, at, nonce }));
}

/** `publicKey` and `signature` in base64url. False for anything malformed. */
export async function holds(verify: VerifyEd25519, signed: { publicKey: string; bytes: Uint8Array; signature: string }): Promise<boolean> {
  try {
    const key = fromBase64url(signed.publicKey);
    const signature = fromBase64url(signed.signature);
    return key.length === 32 && signature.length === 64 && (await verify(key, signed.bytes, signature));
  } catch {
    return false;
  }
}
