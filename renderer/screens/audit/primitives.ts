import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Primitives } from './proof-steps.ts';

/** Computed in this window; RFC 8032 rules, not the looser ones of ZIP 215. */
export const primitives: Primitives = {
  sha256,
  verify: (publicKey, message, signature) => {
    try {
      return ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      // not a point, not a signature: it does not hold
      return false;
    }
  },
};
