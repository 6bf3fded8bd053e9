import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { NamedReader } from './documents.ts';
import type { LogPosition } from './position.ts';
import type { ReadableState, WritableState } from './repositories.ts';

/** What one event code does to the state. `value` is the full new value the event's body carries. */
export interface Row {
  /** Whether the change may be announced now. Throws ERR_INVALID_INPUT, ERR_CONFLICT, ERR_NOT_FOUND. */
  check(state: ReadableState, value: unknown): void;
  apply(state: WritableState, at: LogPosition, value: unknown): void;
}

export function row<T>(
  schema: z.ZodType<T>,
  steps: { check?: (state: ReadableState, value: T) => void; apply: (state: WritableState, at: LogPosition, value: T) => void },
): Row {
  return {
    check(state, value) {
      const parsed = schema.safeParse(value);
      if (!parsed.success) throw fail('ERR_INVALID_INPUT', { detail: z.prettifyError(parsed.error) });
      steps.check?.(state, parsed.data);
    },
    apply(state, at, value) {
      steps.apply(state, at, schema.parse(value));
    },
  };
}

export function present<T>(value: T | null): T {
  if (value === null) throw fail('ERR_NOT_FOUND');
  return value;
}

export function absent<T>(reader: NamedReader<T>, value: { id: string; name: string }): void {
  if (reader.find(value.id) !== null || reader.named(value.name) !== null) throw fail('ERR_CONFLICT');
}

export function nameFree<T extends { id: string }>(reader: NamedReader<T>, value: { id: string; name: string }): void {
  const holder = reader.named(value.name);
  if (holder !== null && holder.id !== value.id) throw fail('ERR_CONFLICT');
}
