import type { Input, Output, RouteName, StreamName } from '../../proxy/contract/api.ts';
import type { ApplianceView, AppSettings, Attention, EnrolInput, LocalService, ServiceVerb, Verdict, WitnessState } from './views.ts';

/** Ends a subscription; calling it twice is harmless. */
export type Unsubscribe = () => void;

export type CallName = Exclude<RouteName, StreamName>;

/** Where a live view stands. `lost` comes with the reason; it reconnects by itself and resumes where it was. */
export type StreamState = { readonly state: 'open' } | { readonly state: 'lost'; readonly why: string };

export interface StreamListener<K extends StreamName> {
  item(value: Output<K>): void;
  /** `lines` streams (recordings, exports): no more items; `events` streams never end by themselves */
  end?(): void;
  /** broken for good: no permission, not found */
  fault?(error: Error): void;
  state?(state: StreamState): void;
}

/** What a person decides. `shown`: SHA-256 of the canonical request that was on the screen, base64url; another one is not signed. */
export interface DecisionInput {
  readonly appliance: string;
  readonly request: string;
  readonly shown: string;
  readonly verdict: Verdict;
  /** required to deny */
  readonly reason: string;
  /** accesses only: shorter than asked for */
  readonly seconds?: number;
}

/**
 * All that the screens know of the outside. Three implementations: `electron` (preload), `http` (console), `fake` (tests, no service).
 * Everything rejects with an AppError of `proxy/lib/errors.ts`: code, message, hint, faults.
 */
export interface Bridge {
  readonly kind: 'electron' | 'http' | 'fake';
  readonly appVersion: string;

  /** The services this screen knows: the console knows the one it came from. */
  readonly appliances: {
    list(): Promise<readonly ApplianceView[]>;
    watch(listener: (appliances: readonly ApplianceView[]) => void): Unsubscribe;
    /** Makes a key on this machine, enrols it with a one-time code, and signs in. */
    enrol(input: EnrolInput): Promise<ApplianceView>;
    /** A fresh signature of the enrolled key; `passphrase` where the key is kept under one. */
    signIn(appliance: string, passphrase?: string): Promise<ApplianceView>;
    signOut(appliance: string): Promise<void>;
    /** Forgets the service and destroys the key. */
    forget(appliance: string): Promise<void>;
  };

  call<K extends CallName>(appliance: string, name: K, input: Input<K>): Promise<Output<K>>;
  /** Server-sent events resume by themselves after a lost connection; JSON lines do not. */
  subscribe<K extends StreamName>(appliance: string, name: K, input: Input<K>, listener: StreamListener<K>): Unsubscribe;
  /** Signs with the key that lies on this machine and sends the decision. */
  decide(input: DecisionInput): Promise<Output<'decideRequest'>>;

  readonly witness: {
    states(): Promise<readonly WitnessState[]>;
    watch(listener: (states: readonly WitnessState[]) => void): Unsubscribe;
  };

  /** The service on this machine; null: this is no desktop app. */
  readonly service: {
    status(): Promise<LocalService>;
    watch(listener: (service: LocalService) => void): Unsubscribe;
    /** Asks for an administrator's password where the verb needs it. */
    run(verb: ServiceVerb): Promise<LocalService>;
  } | null;

  readonly settings: {
    get(): Promise<AppSettings>;
    set(change: Partial<AppSettings>): Promise<AppSettings>;
  };

  /** What the shell wants on the screen: a clicked notification, a menu entry. */
  attention(listener: (wanted: Attention) => void): Unsubscribe;
  copy(text: string): Promise<void>;
  /** `name` is a proposal; the person chooses the place. False: cancelled. */
  saveText(name: string, text: string): Promise<boolean>;
}
