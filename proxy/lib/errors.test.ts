import { describe, expect, it } from 'vitest';
import { AppError, reasonOf } from './errors.ts';

describe('AppError', () => {
  it('keeps the detail for operators out of the message for callers', () => {
    const cause = new Error('ENOENT /var/lib/x');
    const error = new AppError('ERR_X', 'It failed.', { detail: 'private', hint: 'Try again.', cause });
    expect(error).toMatchObject({ name: 'AppError', code: 'ERR_X', message: 'It failed.', detail: 'private', hint: 'Try again.', cause });
    expect(String(error)).not.toContain('private');
    expect(new AppError('ERR_X', 'It failed.')).not.toHaveProperty('cause');
  });

  it('has a reason for anything thrown', () => {
    expect([reasonOf(new Error('a')), reasonOf('b'), reasonOf(undefined)]).toEqual(['a', 'b', 'undefined']);
  });
});
