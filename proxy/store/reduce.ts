import { z } from 'zod';
import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { MaskingRule } from '../contract/masking-rule.ts';
import { ServiceAccount, Token } from '../contract/principal.ts';
import { Resource } from '../contract/resource.ts';
import { approvalTable } from './reduce-approvals.ts';
import { absent, nameFree, present, row, type Row } from './reduce-row.ts';
import { witnessTable } from './reduce-witnesses.ts';
import { workloadTable } from './reduce-workloads.ts';
import { PolicySet, type ReadableState } from './repositories.ts';

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
    // its tokens and the trust rules that lead to it go with it
    apply: (state, at, value) => {
      state.serviceAccounts.delete(at, value.id);
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
      const before = state.resources.find(value.id);
      if (before !== null && before.name !== value.name) state.toolPins.forget(at, before.name);
      state.resources.put(at, value);
    },
  }),
  'resource.deleted': row(Resource, {
    check: (state, value) => {
      present(state.resources.find(value.id));
    },
    apply: (state, at, value) => {
      const before = state.resources.find(value.id);
      // whatever is added under its name later was agreed to by nobody
      if (before !== null) state.toolPins.forget(at, before.name);
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
  'shadow-policy.updated': row(PolicySet, {
    apply: (state, at, value) => {
      state.shadow.replace(at, value);
    },
  }),
  ...approvalTable,
  ...witnessTable,
  ...workloadTable,
} as const satisfies Partial<Record<EventCode, Row>>;

/** The events that change the state; every other code leaves it as it is. */
export type StateCode = keyof typeof stateTable;

export function isStateCode(code: string): code is StateCode {
  return Object.hasOwn(stateTable, code);
}

export function rowOf(code: StateCode): Row {
  return stateTable[code];
}

// 0 asks the system for a free one
function portFree(state: ReadableState, value: Resource): void {
  if (value.listenPort === null || value.listenPort === 0) return;
  if (state.resources.all().some((other) => other.id !== value.id && other.listenPort === value.listenPort)) throw fail('ERR_CONFLICT');
}
