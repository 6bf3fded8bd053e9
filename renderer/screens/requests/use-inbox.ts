import type { ApplianceView } from '../../../main/contract/views.ts';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { useCallEverywhere } from '../../data/calls.ts';
import { byUrgency, isWaitingFor } from './waiting.ts';

/** A request and the service it is at. */
export interface InboxRow {
  readonly appliance: ApplianceView;
  readonly request: ApprovalRequest;
}

export interface Inbox {
  /** of all services, the one that ends first stands first */
  readonly pending: readonly InboxRow[];
  /** those this person may decide on */
  readonly waiting: readonly InboxRow[];
  readonly loading: boolean;
  /** services that did not answer */
  readonly faults: readonly { readonly appliance: ApplianceView; readonly fault: AppError }[];
  /** a service has more pending requests than are shown */
  readonly isCut: boolean;
}

const mostPending = 1_000;

export function useInbox(): Inbox {
  const requests = useCallEverywhere('listRequests', { status: 'pending', limit: mostPending });
  const people = useCallEverywhere('whoAmI', {});
  const pending = requests
    .flatMap(({ appliance, call }) => (call.data?.items ?? []).map((request) => ({ appliance, request })))
    .toSorted((a, b) => byUrgency(a.request, b.request));
  const userAt = (id: string) => people.find(({ appliance }) => appliance.id === id)?.call.data?.user ?? null;
  return {
    pending,
    waiting: pending.filter(({ appliance, request }) => isWaitingFor(request, userAt(appliance.id))),
    loading: [...requests, ...people].some(({ call }) => call.loading),
    faults: requests.flatMap(({ appliance, call: { fault } }) => (fault === null ? [] : [{ appliance, fault }])),
    isCut: requests.some(({ call }) => (call.data?.next ?? null) !== null),
  };
}
