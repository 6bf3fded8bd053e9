import { createHash } from 'node:crypto';
import type { CanonicalRequest } from '../../proxy/contract/approval-request.ts';
import { canonicalJson } from '../../proxy/proof/canonical.ts';

/** Names exactly what was shown: SHA-256 of the canonical JSON of the request, base64url. Members of a newer service count, too. */
export function digestOfShown(canonical: CanonicalRequest): string {
  return createHash('sha256').update(canonicalJson(canonical)).digest('base64url');
}
