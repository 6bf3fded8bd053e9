import { sha256 } from '@noble/hashes/sha2.js';
import type { CanonicalRequest } from '../../../proxy/contract/approval-request.ts';
import { toBase64, utf8 } from '../../../proxy/proof/bytes.ts';
import { canonicalJson } from '../../../proxy/proof/canonical.ts';

/** Names exactly what is on the screen: SHA-256 of the canonical JSON of the request, base64url. Another one is not signed. */
export function digestOfShown(canonical: CanonicalRequest): string {
  return toBase64(sha256(utf8(canonicalJson(canonical))))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
