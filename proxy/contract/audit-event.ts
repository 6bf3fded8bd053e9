/**
 * The typed catalogue of audit events. Adding an event = adding one row here. Every header carries the fields of PCI DSS
 * 10.2.2: user identification, type of event, date and time, success or failure, origination, and the identity of the
 * affected data, component, resource or service. docs/reference/audit-events.md is generated from this table.
 */
interface EventRow {
  readonly summary: string;
  /** what the sensitive body holds; null: no body */
  readonly body: string | null;
  /** PCI DSS v4.0.1 requirement the event is evidence for */
  readonly pci: string;
}

export const eventTable = {
  'log.started': { summary: 'The audit process opened the log.', body: null, pci: '10.2.1.6' },
  'log.recovered': { summary: 'After an unclean stop the log was brought to its last durable record.', body: null, pci: '10.2.1.6' },
  'log.stopped': { summary: 'The audit process closed the log.', body: null, pci: '10.2.1.6' },
  'log.write-failed': { summary: 'The log could not be written; everything was refused meanwhile.', body: null, pci: '10.7.2' },
  'service.started': { summary: 'A process of the service started.', body: null, pci: '10.2.1.6' },
  'service.stopped': { summary: 'A process of the service stopped or was lost.', body: null, pci: '10.2.1.6' },
  'authentication.succeeded': { summary: 'A caller proved an identity.', body: null, pci: '10.2.1.4' },
  'authentication.failed': { summary: 'A caller could not prove an identity.', body: null, pci: '10.2.1.4' },
  'access.denied': { summary: 'A caller may not use the resource.', body: null, pci: '10.2.1.4' },
  'session.started': { summary: 'A session to a resource began.', body: null, pci: '10.2.1.1' },
  'session.ended': { summary: 'A session ended; counts and the root of its recording.', body: null, pci: '10.2.1.1' },
  'session.killed': { summary: 'A session was ended by an administrator or a revocation.', body: null, pci: '10.2.1.2' },
  'operation.intended': { summary: 'A command was permitted and is about to be forwarded.', body: 'the masked command', pci: '10.2.1.1' },
  'operation.refused': {
    summary: 'A command was refused.',
    body: 'the masked command, or length and keyed digest when it could not be parsed',
    pci: '10.2.1.4',
  },
  'operation.settled': { summary: 'A command ended: outcome, rows, bytes, duration, masking ledger.', body: null, pci: '10.2.1.1' },
  'recording.committed': { summary: 'Chunks of a recording are stored; their hashes.', body: null, pci: '10.3.4' },
  'recording.viewed': { summary: 'A recording was replayed.', body: null, pci: '10.2.1.3' },
  'audit.read': { summary: 'The audit log was searched or exported.', body: 'the query', pci: '10.2.1.3' },
  'service-account.created': { summary: 'A service account was created.', body: 'its full new value', pci: '10.2.1.5' },
  'service-account.updated': { summary: 'A service account was changed.', body: 'its full new value', pci: '10.2.1.5' },
  'service-account.deleted': { summary: 'A service account was deleted; its sessions end.', body: 'its last value', pci: '10.2.1.5' },
  'token.created': { summary: 'A token was issued.', body: 'its full new value without the token', pci: '10.2.1.5' },
  'token.revoked': { summary: 'A token was revoked; its sessions end.', body: 'its full new value without the token', pci: '10.2.1.5' },
  'resource.created': { summary: 'A resource was added.', body: 'its full new value without the credential', pci: '10.2.1.7' },
  'resource.updated': { summary: 'A resource was changed.', body: 'its full new value without the credential', pci: '10.2.1.7' },
  'resource.deleted': { summary: 'A resource was removed.', body: 'its last value', pci: '10.2.1.7' },
  'appliance.updated': { summary: 'The settings of the appliance were changed.', body: 'their full new value', pci: '10.2.1.7' },
  'policy.updated': { summary: 'The policies in force were replaced.', body: 'the full new policy files', pci: '10.2.1.2' },
  'masking-rule.updated': { summary: 'The masking rules were replaced.', body: 'the full new rules', pci: '10.2.1.2' },
  'secret.stored': { summary: 'A credential was put into the vault.', body: 'secret id and version', pci: '10.2.1.2' },
  'secret.deleted': { summary: 'A credential was removed from the vault.', body: 'secret id', pci: '10.2.1.2' },
  'vault.rotated': { summary: 'Data keys or the key-encryption key were rotated.', body: null, pci: '10.2.1.2' },
  'credential.leased': { summary: 'A credential was lent to a session.', body: null, pci: '10.2.1.2' },
  'approval-request.created': { summary: 'A command or an access waits for people.', body: 'the whole request with the masked command', pci: '7.2.3' },
  'approval-request.decided': { summary: 'One person approved; more are needed.', body: 'the whole request with the signed decisions', pci: '7.2.3' },
  'approval-request.approved': { summary: 'As many people as policy asks for approved.', body: 'the whole request with the signed decisions', pci: '7.2.3' },
  'approval-request.denied': { summary: 'A person denied it.', body: 'the whole request with the signed decisions', pci: '7.2.3' },
  'approval-request.expired': { summary: 'Nobody decided, or nobody used it, in time.', body: 'the whole request', pci: '7.2.3' },
  'approval-request.withdrawn': { summary: 'It was taken back: cancelled, revoked, or what it rests on changed.', body: 'the whole request', pci: '7.2.3' },
  'approval-request.used': { summary: 'The approved command is about to run, or the approved access began: once.', body: 'the whole request', pci: '7.2.3' },
  'grant.created': { summary: 'An approved access began.', body: 'its full value', pci: '8.6.1' },
  'grant.revoked': { summary: 'A grant was ended before its time; its sessions end.', body: 'its full value', pci: '8.6.1' },
  'access.broke-glass': { summary: 'Access was taken without approval, as policy permits in an emergency.', body: 'its full value', pci: '8.2.2' },
  'break-glass.reviewed': { summary: 'A break-glass access was looked at afterwards.', body: 'its full value', pci: '8.2.2' },
  'user.created': { summary: 'A person was added.', body: 'its full new value', pci: '10.2.1.5' },
  'user.updated': { summary: 'A person was changed.', body: 'its full new value', pci: '10.2.1.5' },
  'user.deleted': { summary: 'A person was removed.', body: 'its last value', pci: '10.2.1.5' },
  'invitation.created': { summary: 'A one-time code to enrol a key was made.', body: 'its full value without the code', pci: '10.2.1.5' },
  'invitation.confirmed': { summary: 'A second administrator let a key be replaced.', body: 'its full value without the code', pci: '10.2.1.5' },
  'approver-key.enrolled': { summary: 'An approver enrolled a key.', body: 'user and invitation with the public key', pci: '10.2.1.5' },
  'webhook.created': { summary: 'A receiver of notifications was added.', body: 'its full value without the key', pci: '10.2.1.7' },
  'webhook.deleted': { summary: 'A receiver of notifications was removed.', body: 'its last value', pci: '10.2.1.7' },
  'webhook.tested': { summary: 'A test message was sent to a receiver.', body: null, pci: '10.2.1.7' },
  'webhook.given-up': { summary: 'A notification could not be delivered.', body: null, pci: '10.7.2' },
  'authentication.ended': { summary: 'A person signed out.', body: null, pci: '10.2.1.4' },
  'service.restart-requested': { summary: 'An administrator had a process of the service started anew.', body: null, pci: '10.2.1.6' },
  'tool.offered': {
    summary: 'A server offers a tool that nobody agreed to yet, or one that changed: it is quarantined.',
    body: 'its full new value with the masked definition',
    pci: '6.5.1',
  },
  'tool.approved': { summary: 'An administrator agreed to a tool as it is offered.', body: 'its full new value with the masked definition', pci: '6.5.1' },
  'tool.rejected': { summary: 'An administrator refused a tool as it is offered.', body: 'its full new value with the masked definition', pci: '6.5.1' },
  'trust-rule.created': { summary: 'Tokens of an issuer are trusted under conditions.', body: 'its full new value', pci: '10.2.1.5' },
  'trust-rule.updated': { summary: 'The conditions under which an issuer is trusted were changed.', body: 'its full new value', pci: '10.2.1.5' },
  'trust-rule.deleted': { summary: 'An issuer is no longer trusted; sessions that rest on it end.', body: 'its last value', pci: '10.2.1.5' },
  'shadow-policy.updated': { summary: 'The policies that are evaluated beside those in force were replaced.', body: 'the full new value', pci: '10.2.1.7' },
  'witness.registered': { summary: 'A device that cosigns checkpoints was registered.', body: 'its full value', pci: '10.3.4' },
  'witness.removed': { summary: 'A device that cosigns checkpoints was removed.', body: 'its last value', pci: '10.3.4' },
  'checkpoint.cosigned': { summary: 'A witness cosigned a checkpoint of the log.', body: 'witness with its newest cosignature', pci: '10.3.4' },
  'control.denied': { summary: 'A call of the control API was refused.', body: null, pci: '10.2.1.4' },
} as const satisfies Record<string, EventRow>;

export type EventCode = keyof typeof eventTable;

export interface Actor {
  readonly issuer: string;
  readonly subject: string;
  readonly name: string;
  readonly kind: 'service-account' | 'administrator' | 'auditor' | 'approver' | 'service' | 'unknown';
  /** token id or `none` */
  readonly credential: string;
  /** of a workload: what its own token said of the run it belongs to */
  readonly run?: Readonly<Record<string, string>>;
}

/**
 * The public part of an event: a flat canonical-JSON object (RFC 8785; integers only, < 2^53). Its bytes are the log
 * entry; the Merkle leaf is SHA-256(0x00 || bytes), RFC 6962 section 2.1. Absent optional fields are left out.
 */
export interface EventHeader {
  readonly v: 1;
  readonly code: EventCode;
  /** RFC 3339 UTC, milliseconds */
  readonly at: string;
  readonly actor: Actor;
  /** where it came from: client address, or the process for the service's own acts */
  readonly origin: string;
  readonly outcome: 'pending' | 'success' | 'failure' | 'indeterminate';
  /** the affected component: resource name, `service-account:x`, `policy`, … */
  readonly affected: string;
  readonly session?: string;
  /** gap-free within the session */
  readonly seq?: number;
  readonly operation?: string;
  /** the approval request it rests on or is about */
  readonly request?: string;
  readonly database?: string;
  readonly account?: string;
  /** `action object` pairs */
  readonly acts?: readonly string[];
  readonly policies?: readonly string[];
  readonly policyVersion?: string;
  /** what the shadow policies would have done, where that differs: `forward`, `refuse` or `hold` */
  readonly shadow?: string;
  readonly shadowVersion?: string;
  /** code of the error table */
  readonly error?: string;
  readonly reason?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly durationMicros?: number;
  /** masking ledger: rule → values masked */
  readonly masked?: Readonly<Record<string, number>>;
  readonly digests?: readonly string[];
  readonly count?: number;
  /** commitment to the body: base64url of SHA-256(salt || body bytes); the salt is stored with the body */
  readonly body?: string;
}

/** Lets the log close what a lost process left open. */
export type Phase =
  | { readonly kind: 'plain' }
  | { readonly kind: 'open'; readonly scope: 'session' | 'operation'; readonly id: string; readonly session: string }
  | { readonly kind: 'close'; readonly scope: 'session' | 'operation'; readonly id: string; readonly session: string };
