import type { Told } from '../approval/committing.ts';
import type { RequestBook } from '../approval/request-book.ts';
import type { SignIns } from '../approval/sign-in.ts';
import type { Webhooks } from '../approval/webhooks.ts';
import type { Output, Parsed } from '../contract/api.ts';
import type { AuditEventView, Check, RecordingEntry, Status } from '../contract/api-views.ts';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import type { EventCode } from '../contract/audit-event.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { Resource } from '../contract/resource.ts';
import type { LeasedCredential, LiveSession, Snapshot } from '../contract/snapshot.ts';
import type { DiskUse } from '../history/disk-use.ts';
import type { HourCounts, LedgerSum, PastSession } from '../history/history.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { LogPosition } from '../store/position.ts';
import type { ReadableState } from '../store/repositories.ts';
import type { Live } from './live.ts';

/** What the handlers stand on; given by the composition root. */
export interface ControlPorts {
  readonly clock: Clock;
  /** of Postern */
  readonly version: string;
  /** Has the supervisor start a process of the service anew. */
  readonly restart: (part: 'control' | 'gateway') => void;
  readonly state: StateReading;
  readonly secrets: Secrets;
  readonly audit: AuditReading;
  readonly history: HistoryReading;
  readonly live: Pick<Live, 'watch'>;
  readonly serviceLogs: ServiceLogs;
  readonly sessions: LiveSessions;
  readonly recordings: Recordings;
  readonly health: Health;
  /** The detector over free text: card numbers to first 6 + last 4. */
  readonly mask: (text: string) => string;
  readonly targets: Targets;
  /** people, requests and grants as stored; read anew at every call */
  readonly read: Pick<ReadableState, 'cursor' | 'users' | 'invitations' | 'requests' | 'grants' | 'policies' | 'witnesses' | 'toolPins'>;
  readonly requests: Pick<RequestBook, 'create' | 'decide' | 'withdraw'>;
  /** Resolves after the next change of a request, after some seconds, or when the signal aborts. */
  readonly nextRequestChange: (signal: AbortSignal) => Promise<void>;
  /** A change of a grant that a handler made; watchers and receivers of notifications hear of it. */
  readonly tell: (told: Told) => void;
  readonly signIns: Pick<SignIns, 'verify' | 'issue'>;
  readonly access: AccessPolicy;
  readonly shadowed: ShadowedEvents;
  readonly enrolment: () => EnrolmentAddress;
  readonly webhooks: Pick<Webhooks, 'all' | 'deliveries' | 'test' | 'forget'>;
}

/** Events on which shadow policies would have decided otherwise, newest first, of one version or of all; `before`: where to go on, null: no more. */
export type ShadowedEvents = (
  query: { version: string | undefined },
  page: { limit: number; before: number | null },
) => Promise<{ readonly events: readonly AuditEventView[]; readonly before: number | null }>;

export interface WantedGroup {
  readonly group: string;
  /** the client's address */
  readonly origin: string;
}

/** What the policies in force say about joining a group for a time. */
export interface AccessPolicy {
  /** `terms`: who must approve; without them nothing is granted. `policies`: ids of those that decide. */
  request(
    account: ServiceAccount,
    wanted: WantedGroup,
  ): { permitted: boolean; terms: ApprovalTerms | null; policies: readonly string[]; policyVersion: string; message: string };
  breakGlass(account: ServiceAccount, wanted: WantedGroup): { permitted: boolean; policies: readonly string[]; message: string };
}

/** Where an approver's machine enrols, and how it knows that it is there. */
export interface EnrolmentAddress {
  readonly url: string;
  /** SHA-256 of the CA certificate (DER), hex */
  readonly ca: string;
  /** origin of the log */
  readonly service: string;
}

/** What is asked of a gateway: control itself never reads a byte of a target. */
export interface Targets {
  /**
   * Logs in; gives a sentence on what was there. Rejects with ERR_TARGET_UNREACHABLE, the target's own words in the detail.
   * `credential`: an empty password and version 0 where the target asks for none.
   */
  probe(resource: Resource, credential: LeasedCredential): Promise<string>;
  /** What the engine understands of a command; rejects with ERR_STATEMENT_UNPARSEABLE and ERR_TARGET_UNREACHABLE. */
  classify(resource: Resource, credential: LeasedCredential, command: { database: string; statement: string }): Promise<Output<'classifyStatement'>>;
}

export interface StateReading {
  snapshot(): Snapshot;
  /** the version that the log says the vault holds; 0 when there is none */
  secretVersion(id: string): number;
}

export interface Secrets {
  put(at: LogPosition, secret: { id: string; version: number; purpose: string; value: Secret<string> }): Promise<void>;
  delete(at: LogPosition, id: string): Promise<void>;
  lease(id: string, terms: { holder: string; ttlMs: number; version?: number }): Promise<{ readonly value: Secret<string>; readonly version: number }>;
  release(holder: string): void;
  /** Gives the number of secrets re-encrypted. */
  rotate(at: LogPosition, what: 'data-keys' | 'key-encryption-key'): Promise<number>;
}

/** `codes`: any of these; null is every code. */
export type AuditFilter = Omit<Parsed<'searchAudit'>, 'limit' | 'cursor' | 'code'> & {
  readonly codes: readonly EventCode[] | null;
  /** only those on which shadow policies would have decided otherwise; a text: of that version */
  readonly shadowed?: true | string | undefined;
};

export interface AuditPage {
  readonly items: readonly AuditEventView[];
  /** go on before this index: also where a search had looked at enough for once; null: there is no more */
  readonly next: number | null;
}

export interface AuditReading {
  /** newest first; `before`: only events with a smaller index */
  search(filter: AuditFilter, page: { limit: number; before: number | null }): Promise<AuditPage>;
  /** Events of one session after an index (null: its last 200), then what happens, until the signal aborts. */
  watch(session: string, after: number | null, signal: AbortSignal): AsyncIterable<AuditEventView>;
  tail(options: { count: number; follow: boolean }, signal: AbortSignal): AsyncIterable<AuditEventView>;
  checkpoint(): Promise<Output<'auditCheckpoint'>>;
  inclusion(index: number, size: number | null): Promise<Output<'auditInclusion'>>;
  consistency(from: number, size: number | null): Promise<Output<'auditConsistency'>>;
}

/** What the log's headers say, arranged for lists and numbers; while it reads the log it knows less. */
export interface HistoryReading {
  /** latest first; those that began before the index `before` */
  sessions(query: { principal: string | undefined; resource: string | undefined; before: number; limit: number }): Promise<readonly PastSession[]>;
  session(id: string): Promise<PastSession | null>;
  /** the last 24 hours, oldest first */
  hours(): Promise<readonly HourCounts[]>;
  /** what each rule hid since a moment (milliseconds since the epoch) */
  ledger(since: number): Promise<readonly LedgerSum[]>;
  /** when events happened and by whom; those it does not know are left out */
  heads(indexes: readonly number[]): Promise<readonly { readonly index: number; readonly at: number; readonly by: string }[]>;
  disk(): Promise<DiskUse>;
}

export interface ServiceLogs {
  /** The last lines of a process's log, and the file's path below the data directory. Throws ERR_NOT_FOUND. */
  read(part: 'audit' | 'control' | 'gateway', lines: number): Promise<{ file: string; lines: string[] }>;
}

export interface LiveSessions {
  list(): readonly LiveSession[];
  /** False when no gateway has it. */
  kill(session: string, reason: string): Promise<boolean>;
}

export interface Recordings {
  /** Throws ERR_NOT_FOUND; each entry is verified before it is given: ERR_VERIFICATION_FAILED. */
  read(session: string, signal: AbortSignal): Promise<AsyncIterable<RecordingEntry>>;
}

export interface Health {
  status(): Promise<Status>;
  checks(): Promise<readonly Check[]>;
  selfScan(needles: readonly string[], signal: AbortSignal): Promise<Output<'selfScan'>>;
}
