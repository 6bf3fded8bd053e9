import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { Token } from '../contract/principal.ts';
import { ToolPin } from '../contract/tool-pin.ts';
import { TrustRule } from '../contract/trust-rule.ts';
import { absent, nameFree, present, row, type Row } from './reduce-row.ts';

/** a token got in exchange is kept so long after its end: an assertion is good for an hour, and is known to be used up for longer */
const keptAfterEndMs = 7_200_000;

/** What workloads bring along, whose word is taken for them, and what servers offer: rows of the reducer's table. */
export const workloadTable = {
  'token.created': row(Token, {
    check: (state, value) => {
      if (state.tokens.find(value.id) !== null) throw fail('ERR_CONFLICT');
      present(state.serviceAccounts.find(value.serviceAccount));
      if (value.trustRule === undefined) return;
      const rule = present(state.trustRules.find(value.trustRule));
      // roles are given by people to accounts they know
      if (value.run === undefined || value.roles.length > 0 || rule.serviceAccount !== value.serviceAccount) throw fail('ERR_INVALID_INPUT');
    },
    apply: (state, at, value) => {
      if (value.trustRule !== undefined) {
        state.tokens.forgetExpired(at, value.trustRule, new Date(Date.parse(value.createdAt) - keptAfterEndMs).toISOString());
      }
      state.tokens.put(at, value);
    },
  }),
  'trust-rule.created': row(TrustRule, {
    check: (state, value) => {
      absent(state.trustRules, value);
      present(state.serviceAccounts.find(value.serviceAccount));
    },
    apply: (state, at, value) => {
      state.trustRules.put(at, value);
    },
  }),
  'trust-rule.updated': row(TrustRule, {
    check: (state, value) => {
      const before = present(state.trustRules.find(value.id));
      nameFree(state.trustRules, value);
      present(state.serviceAccounts.find(value.serviceAccount));
      // what rests on the rule as it was ends by the time of its change
      if (value.createdAt !== before.createdAt || Date.parse(value.changedAt) <= Date.parse(before.changedAt)) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.trustRules.put(at, value);
    },
  }),
  'trust-rule.deleted': row(TrustRule, {
    check: (state, value) => {
      present(state.trustRules.find(value.id));
    },
    apply: (state, at, value) => {
      state.trustRules.delete(at, value.id);
    },
  }),
  'tool.offered': row(ToolPin, {
    check: (state, value) => {
      if (state.resources.named(value.resource)?.protocol !== 'mcp') throw fail('ERR_NOT_FOUND');
      const before = state.toolPins.find(value.id);
      if (before === null) {
        if (state.toolPins.on(value) !== null || isDecided(value)) throw fail('ERR_CONFLICT');
      } else if (!sameTool(before, value) || !sameAgreement(before, value) || value.rejected) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.toolPins.put(at, value);
    },
  }),
  'tool.approved': row(ToolPin, {
    check: (state, value) => {
      const before = present(state.toolPins.find(value.id));
      const whole = value.approved === value.offered && value.approvedDefinition === value.offeredDefinition;
      if (!sameOffer(before, value) || !whole || value.rejected || value.decidedAt === null || value.decidedBy === null) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.toolPins.put(at, value);
    },
  }),
  'tool.rejected': row(ToolPin, {
    check: (state, value) => {
      const before = present(state.toolPins.find(value.id));
      if (!sameOffer(before, value) || !value.rejected || value.decidedAt === null || value.decidedBy === null) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.toolPins.put(at, value);
    },
  }),
} as const satisfies Partial<Record<EventCode, Row>>;

function isDecided({ approved, approvedDefinition, readOnly, rejected, decidedAt }: ToolPin): boolean {
  return approved !== null || approvedDefinition !== null || readOnly || rejected || decidedAt !== null;
}

function sameTool(a: ToolPin, b: ToolPin): boolean {
  return a.resource === b.resource && a.kind === b.kind && a.name === b.name;
}

/** A server changes what it offers, never what people agreed to. */
function sameAgreement(a: ToolPin, b: ToolPin): boolean {
  return a.approved === b.approved && a.approvedDefinition === b.approvedDefinition && (a.readOnly || !b.readOnly);
}

/** People decide on what is offered, and on nothing else. */
function sameOffer(a: ToolPin, b: ToolPin): boolean {
  return sameTool(a, b) && a.offered === b.offered && a.offeredDefinition === b.offeredDefinition;
}
