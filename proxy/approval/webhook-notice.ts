import type { ApprovalRequest, Grant } from '../contract/approval-request.ts';
import type { EventCode } from '../contract/audit-event.ts';

export type RequestEvent = Extract<EventCode, `approval-request.${string}`>;
export type GrantEvent = Extract<EventCode, `grant.${string}` | 'access.broke-glass' | 'break-glass.reviewed'>;
export type NoticeEvent = RequestEvent | GrantEvent | 'webhook.tested';

interface RequestFacts {
  readonly id: string;
  readonly status: ApprovalRequest['status'];
  readonly principal: string;
  /** null: it asks for an access */
  readonly resource: string | null;
  /** the group that is joined; null: it asks for an operation */
  readonly joins: string | null;
  /** who decides */
  readonly group: string;
  readonly needed: number;
  readonly risk: ApprovalRequest['canonical']['terms']['risk'];
  readonly expiresAt: string;
  /** the command that shows the rest, to those who may see it */
  readonly show: string;
}

interface GrantFacts {
  readonly id: string;
  readonly principal: string;
  readonly group: string;
  /** null: break-glass */
  readonly request: string | null;
  readonly expiresAt: string;
  readonly show: string;
}

/** All that a receiver learns: no command, no value, no mark, no words of the requester. */
export interface Notice {
  readonly event: NoticeEvent;
  /** RFC 3339 */
  readonly at: string;
  readonly about: { readonly request: RequestFacts } | { readonly grant: GrantFacts } | { readonly test: true };
}

type Mask = (text: string) => string;

const maxChars = 200;

/** Member by member: what is added to a request later stays inside. */
export function aboutRequest({ id, status, canonical }: ApprovalRequest, mask: Mask): Notice['about'] {
  const { principal, subject, terms, expiresAt } = canonical;
  return {
    request: {
      id,
      status,
      principal: shown(principal.name, mask),
      resource: subject.kind === 'operation' ? shown(subject.resource, mask) : null,
      joins: subject.kind === 'access' ? shown(subject.joins, mask) : null,
      group: shown(terms.group, mask),
      needed: terms.needed,
      risk: terms.risk,
      expiresAt,
      show: `postern requests show ${id}`,
    },
  };
}

export function aboutGrant({ id, principalName, group, request, expiresAt, review }: Grant, mask: Mask): Notice['about'] {
  const show = request === null && review === null ? `postern access review ${id}` : 'postern access list';
  return { grant: { id, principal: shown(principalName, mask), group: shown(group, mask), request, expiresAt, show } };
}

/** One line of text. Masked first: the detector knows the invisible separators that are taken out here. */
function shown(text: string, mask: Mask): string {
  return mask(text)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .slice(0, maxChars);
}
