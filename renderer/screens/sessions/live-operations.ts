import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { outcomeOfHeader, type OperationOutcome } from './operation-outcome.ts';

/** One line of a session that is watched. */
export interface LiveOperation {
  /** id of the operation, or of the event */
  readonly id: string;
  readonly at: string;
  /** null: another event of the session */
  readonly command: string | null;
  readonly outcome: OperationOutcome;
  /** what happened, for events that are no operation */
  readonly note: string;
  /** the approval request it rests on */
  readonly request: string | null;
}

const notes: Readonly<Record<string, string>> = {
  'session.started': 'The session began.',
  'session.ended': 'The session ended.',
  'session.killed': 'The session was ended by an administrator or a revocation.',
  'credential.leased': 'A credential was lent to the session.',
  'approval-request.created': 'A command waits for approval.',
  'approval-request.decided': 'One person approved; more are needed.',
  'approval-request.approved': 'The request was approved.',
  'approval-request.denied': 'The request was denied.',
  'approval-request.expired': 'The request expired.',
  'approval-request.withdrawn': 'The request was withdrawn.',
  'approval-request.used': 'The approved command is about to run.',
};
/** of the recording itself: says nothing of what the session does */
const silent = new Set(['recording.committed', 'recording.viewed']);

/** Events of one session, oldest first, to a line per operation: its intent and its end are one. */
export function liveOperations(events: readonly AuditEventView[]): readonly LiveOperation[] {
  const lines = new Map<string, LiveOperation>();
  for (const event of events) {
    const code = text(event.header['code']);
    if (silent.has(code)) continue;
    const operation = text(event.header['operation']);
    const isOperation = code.startsWith('operation.') && operation !== '';
    const id = isOperation ? operation : `event ${event.index}`;
    lines.set(id, isOperation ? operationLine(event, lines.get(id)) : eventLine(event, id));
  }
  return [...lines.values()];
}

function operationLine({ header, body }: AuditEventView, known: LiveOperation | undefined): LiveOperation {
  return {
    id: text(header['operation']),
    at: known?.at ?? text(header['at']),
    command: known?.command ?? body ?? '',
    outcome: outcomeOfHeader(header),
    note: '',
    request: known?.request ?? requestOf(header),
  };
}

function eventLine({ header }: AuditEventView, id: string): LiveOperation {
  return {
    id,
    at: text(header['at']),
    command: null,
    outcome: outcomeOfHeader(header),
    note: noteOf(text(header['code']), text(header['reason'])),
    request: requestOf(header),
  };
}

function requestOf(header: AuditEventView['header']): string | null {
  return text(header['request']) || null;
}

function noteOf(code: string, reason: string): string {
  const said = Object.hasOwn(notes, code) ? (notes[code] ?? code) : code;
  return reason === '' ? said : `${said} (${reason})`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Whether the last events say that the session is over. */
export function hasEnded(events: readonly AuditEventView[]): boolean {
  return events.some(({ header }) => header['code'] === 'session.ended');
}
