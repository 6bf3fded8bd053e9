import { describe, expect, it } from 'vitest';
import { newId } from './ids.ts';

describe('newId', () => {
  it('gives distinct identifiers of 20 letters, never digits', () => {
    const ids = Array.from({ length: 2000 }, () => newId('ses'));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^ses_[A-Za-z]{20}$/);
  });

  it('uses 32 letters evenly', () => {
    const counts = new Map<string, number>();
    for (let round = 0; round < 2000; round += 1) for (const letter of newId('opr').slice(4)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect(counts.size).toBe(32);
    // 1250 each on average; ten standard deviations away is no chance
    for (const count of counts.values()) expect(Math.abs(count - 1250)).toBeLessThan(350);
  });
});
