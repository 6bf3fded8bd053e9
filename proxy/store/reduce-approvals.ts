import { z } from 'zod';
import { ApprovalRequest, Grant, type RequestStatus } from '../contract/approval-request.ts';
import type { EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import { Invitation, User } from '../contract/user.ts';
import { Webhook } from '../contract/webhook.ts';
import { canonicalJson, type Canonical } from '../proof/canonical.ts';
import { absent, nameFree, present, row, type Row } from './reduce-row.ts';
import type { ReadableState } from './repositories.ts';
import { mayFollow } from './request-lifecycle.ts';

const Enrolment = z.strictObject({ user: User, invitation: Invitation });

/** People, requests, grants and receivers: rows of the reducer's table. */
export const approvalTable = {
  'approval-request.created': requestRow('pending', true),
  'approval-request.decided': requestRow('pending'),
  'approval-request.approved': requestRow('approved'),
  'approval-request.denied': requestRow('denied'),
  'approval-request.expired': requestRow('expired'),
  'approval-request.withdrawn': requestRow('withdrawn'),
  'approval-request.used': requestRow('used'),
  'grant.created': grantRow((state, grant) => {
    const request = grant.request === null ? null : state.requests.find(grant.request);
    if (state.grants.find(grant.id) !== null || grant.revokedAt !== null || grant.review !== null) throw fail('ERR_CONFLICT');
    // an access rests on a request that was used up for it, once
    if (request?.status !== 'used' || state.grants.ofRequest(request.id) !== null) throw fail('ERR_CONFLICT');
  }),
  'access.broke-glass': grantRow((state, grant) => {
    if (state.grants.find(grant.id) !== null || grant.request !== null || grant.revokedAt !== null || grant.review !== null) throw fail('ERR_CONFLICT');
  }),
  'grant.revoked': grantRow((state, grant) => {
    const before = present(state.grants.find(grant.id));
    if (before.revokedAt !== null || grant.revokedAt === null || !same({ ...grant, revokedAt: null }, before)) throw fail('ERR_CONFLICT');
  }),
  'break-glass.reviewed': grantRow((state, grant) => {
    const before = present(state.grants.find(grant.id));
    if (grant.request !== null || before.review !== null || grant.review === null || !same({ ...grant, review: null }, before)) throw fail('ERR_CONFLICT');
  }),
  'user.created': row(User, {
    check: (state, value) => {
      absent(state.users, value);
      // keys come by enrolment alone
      if (value.key !== null) throw fail('ERR_INVALID_INPUT');
    },
    apply: (state, at, value) => {
      state.users.put(at, value);
    },
  }),
  'user.updated': row(User, {
    check: (state, value) => {
      const before = present(state.users.find(value.id));
      nameFree(state.users, value);
      if (!same(before.key, value.key)) throw fail('ERR_INVALID_INPUT');
    },
    apply: (state, at, value) => {
      state.users.put(at, value);
    },
  }),
  'user.deleted': row(User, {
    check: (state, value) => {
      present(state.users.find(value.id));
    },
    // their invitations go with them
    apply: (state, at, value) => {
      state.users.delete(at, value.id);
    },
  }),
  'invitation.created': invitationRow((state, value) => {
    present(state.users.find(value.user));
    if (state.invitations.find(value.id) !== null || value.confirmedBy !== null || value.usedAt !== null) throw fail('ERR_CONFLICT');
  }),
  'invitation.confirmed': invitationRow((state, value) => {
    const before = present(state.invitations.find(value.id));
    const isFirst = before.replaces && before.confirmedBy === null && before.usedAt === null && value.confirmedBy !== null;
    if (!isFirst || value.confirmedBy === before.invitedBy || !same({ ...value, confirmedBy: null }, before)) throw fail('ERR_CONFLICT');
  }),
  'approver-key.enrolled': row(Enrolment, {
    check: enrolmentFits,
    apply: (state, at, { user, invitation }) => {
      state.users.put(at, user);
      state.invitations.put(at, invitation);
    },
  }),
  'webhook.created': row(Webhook, {
    check: (state, value) => {
      absent(state.webhooks, value);
    },
    apply: (state, at, value) => {
      state.webhooks.put(at, value);
    },
  }),
  'webhook.deleted': row(Webhook, {
    check: (state, value) => {
      present(state.webhooks.find(value.id));
    },
    apply: (state, at, value) => {
      state.webhooks.delete(at, value.id);
    },
  }),
} as const satisfies Partial<Record<EventCode, Row>>;

function requestRow(status: RequestStatus, isNew = false): Row {
  return row(ApprovalRequest, {
    check: (state, value) => {
      if (value.status !== status) throw fail('ERR_INVALID_INPUT');
      const before = state.requests.find(value.id);
      if ((before === null) !== isNew || !mayFollow(before, value)) throw fail('ERR_CONFLICT');
    },
    apply: (state, at, value) => {
      state.requests.put(at, value);
    },
  });
}

function grantRow(check: (state: ReadableState, grant: Grant) => void): Row {
  return row(Grant, {
    check,
    apply: (state, at, value) => {
      state.grants.put(at, value);
    },
  });
}

function invitationRow(check: (state: ReadableState, invitation: Invitation) => void): Row {
  return row(Invitation, {
    check,
    apply: (state, at, value) => {
      state.invitations.put(at, value);
    },
  });
}

/** A code works once, and never replaces a key that nobody but its maker has agreed to replace. */
function enrolmentFits(state: ReadableState, { user, invitation }: z.infer<typeof Enrolment>): void {
  const person = present(state.users.find(user.id));
  const invited = present(state.invitations.find(invitation.id));
  if (user.key === null || invited.user !== person.id || !same({ ...user, key: null }, { ...person, key: null })) throw fail('ERR_INVALID_INPUT');
  if (invited.usedAt !== null || invitation.usedAt === null || !same({ ...invitation, usedAt: null }, invited)) throw fail('ERR_CONFLICT');
  if ((person.key !== null || invited.replaces) && invited.confirmedBy === null) throw fail('ERR_CONFLICT');
}

function same(a: Canonical, b: Canonical): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
