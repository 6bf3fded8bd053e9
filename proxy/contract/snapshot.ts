import type { MaskingRule } from './masking-rule.ts';
import type { ServiceAccount, Token } from './principal.ts';
import type { Grant } from './approval-request.ts';
import type { Resource } from './resource.ts';
import type { ToolPin } from './tool-pin.ts';
import type { TrustRule } from './trust-rule.ts';
import type { Approver } from './user.ts';

/** One policy file: Cedar text under a name. */
export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

/** Everything a gateway needs to decide; pushed whole by control on every change. Serialisable; holds no secret. */
export interface Snapshot {
  /** grows with every change */
  readonly version: number;
  readonly serviceAccounts: readonly ServiceAccount[];
  readonly tokens: readonly Token[];
  readonly resources: readonly Resource[];
  readonly policies: { readonly version: string; readonly files: readonly PolicyFile[] };
  /** evaluated beside those in force, deciding nothing; null: none */
  readonly shadow: { readonly version: string; readonly files: readonly PolicyFile[] } | null;
  readonly maskingRules: readonly MaskingRule[];
  /** what was agreed to of what MCP servers offer */
  readonly toolPins: readonly ToolPin[];
  /** whose tokens are trusted to say who a workload is */
  readonly trustRules: readonly TrustRule[];
  /** whose signatures count */
  readonly approvers: readonly Approver[];
  /** those that still hold, and those that ended within the last day */
  readonly grants: readonly Grant[];
}

/** What control lends for one connection to a target. `password` travels over the private socket only. */
export interface LeasedCredential {
  readonly account: string;
  readonly password: string;
  /** the vault's version of the secret, for the record */
  readonly secretVersion: number;
}

/** The key a session is recorded under: `key` for the gateway, `wrapped` is what is stored in the recording. Base64. */
export interface RecordingKey {
  readonly key: string;
  readonly wrapped: string;
}

/** A live session, as listed. */
export interface LiveSession {
  readonly id: string;
  readonly gateway: string;
  readonly principal: string;
  readonly resource: string;
  readonly database: string;
  readonly account: string;
  readonly address: string;
  readonly startedAt: string;
  readonly operations: number;
}
