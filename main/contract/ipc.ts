import { z } from 'zod';
import { api, type Output, type RouteName, type StreamName } from '../../proxy/contract/api.ts';
import type { InputFault } from '../../proxy/lib/errors.ts';
import type { CallName, StreamState } from './bridge.ts';
import { notifyNames, type InvokeName, type NotifyName } from './channels.ts';
import {
  EnrolInput,
  ServiceVerb,
  Verdict,
  type ApplianceView,
  type AppSettings,
  type Attention,
  type LocalService,
  type WitnessState,
  AppSettings as AppSettingsSchema,
} from './views.ts';

/** An error as it crosses: no stack, no private detail. */
export interface IpcError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly faults?: readonly InputFault[];
}

/** `invoke` never rejects across the bridge: Electron would drop all but the message. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: IpcError };

/** What a live view says; items come in batches. */
export type StreamMessage =
  | { readonly id: string; readonly kind: 'items'; readonly values: readonly unknown[] }
  | { readonly id: string; readonly kind: 'end' }
  | { readonly id: string; readonly kind: 'fault'; readonly error: IpcError }
  | { readonly id: string; readonly kind: 'state'; readonly state: StreamState };

/** Live views one window may have open. */
export const maxSubscriptions = 64;
const maxTextChars = 16 * 1_048_576;

function isStream(name: string): name is StreamName {
  return isRoute(name) && 'stream' in api[name];
}

function isRoute(name: string): name is RouteName {
  return Object.hasOwn(api, name);
}

const ApplianceId = z.string().regex(/^[a-z0-9]{1,40}$/);
const SubscriptionId = z.string().regex(/^sub_[0-9]{1,15}$/);
const nothing = z.strictObject({});
const ofAppliance = z.strictObject({ appliance: ApplianceId });
/** checked against the schema of the route itself before it leaves the machine */
const RouteInput = z.record(z.string().max(100), z.unknown());

interface Invoke<I extends z.ZodType, O> {
  readonly input: I;
  /** carries the type only */
  readonly output?: O;
}

function invoke<O>(): <I extends z.ZodType>(input: I) => Invoke<I, O> {
  return (input) => ({ input });
}

/** Every question the screens may ask, with what the shell accepts; unknown members are refused. */
export const ipc = {
  'appliances.list': invoke<readonly ApplianceView[]>()(nothing),
  'appliances.enrol': invoke<ApplianceView>()(EnrolInput),
  'appliances.sign-in': invoke<ApplianceView>()(z.strictObject({ appliance: ApplianceId, passphrase: z.string().min(1).max(1_000).optional() })),
  'appliances.sign-out': invoke<null>()(ofAppliance),
  'appliances.forget': invoke<null>()(ofAppliance),
  call: invoke<unknown>()(
    z.strictObject({
      appliance: ApplianceId,
      name: z.string().refine((name): name is CallName => isRoute(name) && !isStream(name), 'There is no such call.'),
      input: RouteInput,
    }),
  ),
  /** gives the id under which `stream` messages come; they begin after the answer */
  subscribe: invoke<string>()(z.strictObject({ appliance: ApplianceId, name: z.string().refine(isStream, 'There is no such stream.'), input: RouteInput })),
  unsubscribe: invoke<null>()(z.strictObject({ id: SubscriptionId })),
  decide: invoke<Output<'decideRequest'>>()(
    z.strictObject({
      appliance: ApplianceId,
      request: z.string().min(1).max(60),
      shown: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
      verdict: Verdict,
      reason: z.string().max(500),
      seconds: z
        .int()
        .min(1)
        .max(86_400 * 366)
        .optional(),
    }),
  ),
  'witness.states': invoke<readonly WitnessState[]>()(nothing),
  'service.status': invoke<LocalService>()(nothing),
  'service.run': invoke<LocalService>()(z.strictObject({ verb: ServiceVerb })),
  'settings.get': invoke<AppSettings>()(nothing),
  'settings.set': invoke<AppSettings>()(AppSettingsSchema.partial()),
  copy: invoke<null>()(z.strictObject({ text: z.string().max(maxTextChars) })),
  'save-text': invoke<boolean>()(z.strictObject({ name: z.string().min(1).max(200), text: z.string().max(maxTextChars) })),
  /** the screens listen now: what is current, or was kept for them, is sent */
  listening: invoke<null>()(z.strictObject({ name: z.enum(notifyNames) })),
} as const satisfies Record<InvokeName, Invoke<z.ZodType, unknown>>;

export type InvokeInput<K extends InvokeName> = z.input<(typeof ipc)[K]['input']>;
export type InvokeParsed<K extends InvokeName> = z.output<(typeof ipc)[K]['input']>;
export type InvokeOutput<K extends InvokeName> = Exclude<(typeof ipc)[K]['output'], undefined>;

export interface NotifyValues {
  readonly appliances: readonly ApplianceView[];
  readonly witness: readonly WitnessState[];
  readonly service: LocalService;
  readonly stream: StreamMessage;
  readonly attention: Attention;
}
export type NotifyValue<K extends NotifyName> = NotifyValues[K];

/** What the preload script gives the screens as `window.postern`. */
export interface ShellBridge {
  readonly appVersion: string;
  invoke<K extends InvokeName>(name: K, input: InvokeInput<K>): Promise<Answer<InvokeOutput<K>>>;
  /** Watches begin with what is current. Returns how to end it. */
  listen<K extends NotifyName>(name: K, listener: (value: NotifyValue<K>) => void): () => void;
}
