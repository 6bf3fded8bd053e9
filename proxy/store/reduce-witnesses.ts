import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { Witness } from '../contract/witness.ts';
import { canonicalJson } from '../proof/canonical.ts';
import { absent, present, row, type Row } from './reduce-row.ts';

/** Devices that cosign: rows of the reducer's table. */
export const witnessTable = {
  'witness.registered': row(Witness, {
    check: (state, value) => {
      absent(state.witnesses, value);
      present(state.users.find(value.user));
      // what it says of a checkpoint comes by cosigning alone
      if (value.last !== null) throw fail('ERR_INVALID_INPUT');
      if (state.witnesses.all().some(({ key }) => key === value.key)) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.witnesses.put(at, value);
    },
  }),
  'checkpoint.cosigned': row(Witness, {
    check: (state, value) => {
      const before = present(state.witnesses.find(value.id));
      if (canonicalJson({ ...value, last: null }) !== canonicalJson({ ...before, last: null })) throw fail('ERR_INVALID_INPUT');
      if (value.last === null || isOlder(value.last, before.last)) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.witnesses.put(at, value);
    },
  }),
  'witness.removed': row(Witness, {
    check: (state, value) => {
      present(state.witnesses.find(value.id));
    },
    apply: (state, at, value) => {
      state.witnesses.delete(at, value.id);
    },
  }),
} as const satisfies Partial<Record<EventCode, Row>>;

/** A witness never goes back, neither in time nor in size. */
function isOlder(next: NonNullable<Witness['last']>, last: Witness['last']): boolean {
  return last !== null && (next.size < last.size || Date.parse(next.at) <= Date.parse(last.at));
}
