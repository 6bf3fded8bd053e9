import { describe, expect, it } from 'vitest';
import { fail } from '../contract/errors.ts';
import type { Masked, Walker } from './engine.ts';
import type { CompiledMasker } from './ports.ts';
import { RecordedMasked } from './recorded-masked.ts';

/** one value: the whole chunk but its first byte */
const walk: Walker = (chunk, visit) => {
  visit(0, 1, chunk.length);
};

function masker(letter: string | null): CompiledMasker {
  return {
    rows: (chunk, walking) => {
      walking(chunk, (_column, start, end) => {
        if (letter !== null) chunk.fill(letter.charCodeAt(0), start, end);
      });
      return chunk as Masked;
    },
    ledger: () => ({ [letter ?? 'nothing']: 1 }),
  };
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

describe('what a caller may see whole', () => {
  it('is released as it is and recorded masked', () => {
    const copies = new WeakMap<Uint8Array, Uint8Array>();
    const both = new RecordedMasked(masker(null), () => masker('k'), copies);
    const released = both.rows(Buffer.from('D4111'), walk);
    expect([text(released), text(copies.get(released))]).toEqual(['D4111', 'Dkkkk']);
    expect(both.ledger()).toEqual({ nothing: 1 });
  });

  it('is recorded as stars where it comes in binary', () => {
    const copies = new WeakMap<Uint8Array, Uint8Array>();
    const refuse = (): never => {
      throw fail('ERR_MASKED_BINARY');
    };
    const released = new RecordedMasked(masker(null), refuse, copies).rows(Buffer.from('D4111'), walk);
    expect([text(released), text(copies.get(released))]).toEqual(['D4111', 'D****']);
  });

  it('is not released when its copy cannot be masked', () => {
    const broken: CompiledMasker = {
      ...masker('k'),
      rows: () => {
        throw fail('ERR_MASKING_FAILED');
      },
    };
    expect(() => new RecordedMasked(masker(null), () => broken, new WeakMap()).rows(Buffer.from('D4111'), walk)).toThrow('could not be masked');
    expect(
      () =>
        new RecordedMasked(
          masker(null),
          () => {
            throw fail('ERR_INTERNAL');
          },
          new WeakMap(),
        ),
    ).toThrow('Something went wrong');
  });
});
