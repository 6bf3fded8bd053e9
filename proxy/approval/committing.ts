import type { EventCode } from '../contract/audit-event.ts';
import type { ApprovalRequest, Grant } from '../contract/approval-request.ts';

export type RequestCode = Extract<EventCode, `approval-request.${string}`>;

/** A change of state as the log tells it. */
export interface Announced {
  readonly affected: string;
  /** the full new value */
  readonly value: unknown;
  /** the approval request it is about */
  readonly request?: string;
  readonly session?: string;
  /** what the shadow policies would have done, where that differs */
  readonly shadow?: string;
  readonly shadowVersion?: string;
}

/** The event becomes durable, then the state follows. Throws what the state refuses: ERR_CONFLICT and the like. */
export type Commit<C extends EventCode> = (code: C, change: Announced) => Promise<void>;

/** Who acts: `exclusive` runs one change at a time in the whole process, and its commits carry their name. */
export interface Acting<C extends EventCode> {
  readonly exclusive: <T>(work: (commit: Commit<C>) => Promise<T>) => Promise<T>;
}

/** What is told after a change: to the gateway that holds the request, to watchers and to receivers of notifications. */
export type Told =
  | { readonly code: RequestCode; readonly request: ApprovalRequest }
  | { readonly code: 'grant.created' | 'grant.revoked' | 'access.broke-glass' | 'break-glass.reviewed'; readonly grant: Grant };

export function requestChange(request: ApprovalRequest): Announced {
  const { subject } = request.canonical;
  return { affected: `approval-request:${request.id}`, value: request, request: request.id, ...(subject.kind === 'operation' && { session: subject.session }) };
}
