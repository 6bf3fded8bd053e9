import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commitment, newSalt } from './commitment.ts';

describe('commitment', () => {
  it('is SHA-256 over salt and text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.string({ unit: 'grapheme' }), (salt, text) => {
        expect(commitment(salt, text)).toBe(createHash('sha256').update(salt).update(text).digest('base64url'));
      }),
    );
  });

  it('has a fresh salt each time, beyond one batch too', () => {
    const salts = Array.from({ length: 1000 }, newSalt);
    expect(new Set(salts.map((salt) => Buffer.from(salt).toString('hex'))).size).toBe(1000);
    expect(salts.every((salt) => salt.length === 16)).toBe(true);
  });
});
