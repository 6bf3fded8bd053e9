import { z } from 'zod';
import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { MaskingRule } from '../contract/masking-rule.ts';
import { ServiceAccount, Token } from '../contract/principal.ts';
import { Resource } from '../contract/resource.ts';
import type { LogPosition } from './position.ts';
import { PolicySet, type NamedReader, type ReadableState, type WritableState } from './repositories.ts';

/** What one event code does to the state. `value` is the full new value the event's body carries. */
interface Row {
  /** Whether the change may be announced now. Throws ERR_INVALID_INPUT, ERR_CONFLICT, ERR_NOT_FOUND. */
  check(state: ReadableState, value: unknown): void;
  apply(state: WritableState, at: LogPosition, value: unknown): void;
}

const StoredSecret = z.strictObject({ id: z.string().startsWith('sec_'), version: z.int().min(1) });

const MaskingRules = z.strictObject({ rules: z.array(MaskingRule).max(10_000) });

const stateTable = {
  'service-account.created': row(ServiceAccount, {
    check: (state, value) => {
      absent(state.serviceAccounts, value);
    },
    apply: (state, at, value) => {
      state.serviceAccounts.put(at, value);
    },
  }),
  'service-account.updated': row(ServiceAccount, {
    check: (state, value) => {
      present(state.serviceAccounts.find(value.id));
      nameFree(state.serviceAccounts, value);
    },
    apply: (state, at, value) => {
      state.serviceAccounts.put(at, value);
    },
  }),
  'service-account.deleted': row(ServiceAccount, {
    check: (state, value) => {
      present(state.serviceAccounts.find(value.id));
    },
    // its tokens go with it
    apply: (state, at, value) => {
      state.serviceAccounts.delete(at, value.id);
    },
  }),
  'token.created': row(Token, {
    check: (state, value) => {
      if (state.tokens.find(value.id) !== null) throw fail('ERR_CONFLICT');
      present(state.serviceAccounts.find(value.serviceAccount));
    },
    apply: (state, at, value) => {
      state.tokens.put(at, value);
    },
  }),
  'token.revoked': row(Token, {
    check: (state, value) => {
      const before = present(state.tokens.find(value.id));
      if (value.revokedAt === null || before.serviceAccount !== value.serviceAccount) throw fail('ERR_INVALID_INPUT');
    },
    apply: (state, at, value) => {
      state.tokens.put(at, value);
    },
  }),
  'resource.created': row(Resource, {
    check: (state, value) => {
      absent(state.resources, value);
      portFree(state, value);
    },
    apply: (state, at, value) => {
      state.resources.put(at, value);
    },
  }),
  'resource.updated': row(Resource, {
    check: (state, value) => {
      present(state.resources.find(value.id));
      nameFree(state.resources, value);
      portFree(state, value);
    },
    apply: (state, at, value) => {
      state.resources.put(at, value);
    },
  }),
  'resource.deleted': row(Resource, {
    check: (state, value) => {
      present(state.resources.find(value.id));
    },
    apply: (state, at, value) => {
      state.resources.delete(at, value.id);
    },
  }),
  'secret.stored': row(StoredSecret, {
    check: (state, value) => {
      if (value.version <= (state.secrets.find(value.id)?.version ?? 0)) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.secrets.put(at, value);
    },
  }),
  'secret.deleted': row(StoredSecret, {
    check: (state, value) => {
      present(state.secrets.find(value.id));
    },
    apply: (state, at, value) => {
      state.secrets.delete(at, value.id);
    },
  }),
  'policy.updated': row(PolicySet, {
    apply: (state, at, value) => {
      state.policies.replace(at, value);
    },
  }),
  'masking-rule.updated': row(MaskingRules, {
    apply: (state, at, value) => {
      state.maskingRules.replace(at, value.rules);
    },
  }),
} as const satisfies Partial<Record<EventCode, Row>>;

/** The events that change the state; every other code leaves it as it is. */
export type StateCode = keyof typeof stateTable;

export function isStateCode(code: string): code is StateCode {
  return Object.hasOwn(stateTable, code);
}

export function rowOf(code: StateCode): Row {
  return stateTable[code];
}

function row<T>(
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

function present<T>(value: T | null): T {
  if (value === null) throw fail('ERR_NOT_FOUND');
  return value;
}

function absent<T>(reader: NamedReader<T>, value: { id: string; name: string }): void {
  if (reader.find(value.id) !== null || reader.named(value.name) !== null) throw fail('ERR_CONFLICT');
}

function nameFree<T extends { id: string }>(reader: NamedReader<T>, value: { id: string; name: string }): void {
  const holder = reader.named(value.name);
  if (holder !== null && holder.id !== value.id) throw fail('ERR_CONFLICT');
}

// 0 asks the system for a free one
function portFree(state: ReadableState, value: Resource): void {
  if (value.listenPort === null || value.listenPort === 0) return;
  if (state.resources.all().some((other) => other.id !== value.id && other.listenPort === value.listenPort)) throw fail('ERR_CONFLICT');
}
