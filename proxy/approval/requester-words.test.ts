import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requesterWords } from './requester-words.ts';

describe('requesterWords', () => {
  it.each([
    ['delete from a -- reason: a duplicate; ticket: OPS-17', { reason: 'a duplicate', ticket: 'OPS-17' }],
    ['/* Ticket: OPS-1 */ delete from a', { reason: '', ticket: 'OPS-1' }],
    ['/* reason: two\nlines */ delete from a where id = 1', { reason: 'two', ticket: '' }],
    ['delete from a where reason = 1', { reason: '', ticket: '' }],
    ['-- reason: no', { reason: '', ticket: '' }],
  ])('%s', (command, expected) => {
    expect(requesterWords(command)).toEqual(expected);
  });

  it('stays within its caps, whatever is written', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3_000, unit: fc.constantFrom('-', '/', '*', ' ', '\n', ';', 'x', 'reason:', 'ticket:') }), (command) => {
        const { reason, ticket } = requesterWords(command);
        return reason.length <= 500 && ticket.length <= 100;
      }),
    );
  });
});
