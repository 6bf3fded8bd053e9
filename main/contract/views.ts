import { z } from 'zod';

/** Plain data between the shell and the screens; checked on both sides. */

export const Verdict = z.enum(['approve', 'deny']);
export type Verdict = z.infer<typeof Verdict>;

const Line = z.string().max(1_000);

/** A service this machine is enrolled at. */
export const ApplianceView = z.strictObject({
  /** letters and digits, stable: also in addresses of screens */
  id: z.string().regex(/^[a-z0-9]{1,40}$/),
  /** host and port as a person knows it */
  name: Line,
  url: Line,
  /** origin of its log; empty before enrolment */
  service: Line,
  user: Line,
  /**
   * enrolled: a key lies here, nobody is signed in; signed-in: calls work; unreachable: it does not answer; refused: its certificate
   * is not from the pinned authority; outdated: no common version of the API; unknown: no key for it here (console only)
   */
  state: z.enum(['unknown', 'enrolled', 'signed-in', 'unreachable', 'refused', 'outdated']),
  /** one sentence for people; empty when there is nothing to say */
  detail: Line,
  roles: z.array(z.enum(['administrator', 'auditor', 'approver', 'caller'])).max(4),
  version: Line.nullable(),
  /** keychain: wrapped by the operating system; passphrase: asked for at sign-in; browser: kept by it, not extractable */
  keyProtection: z.enum(['keychain', 'passphrase', 'browser', 'none']),
});
export type ApplianceView = z.infer<typeof ApplianceView>;

export const EnrolInput = z.strictObject({
  /** `postern-enrol:…` */
  code: z.string().min(1).max(4_096),
  /** where no keychain protects the key; at least 12 characters */
  passphrase: z.string().min(12).max(1_000).optional(),
});
export type EnrolInput = z.infer<typeof EnrolInput>;

/** `install` and `repair` need the bundled package and an administrator's password. */
export const ServiceVerb = z.enum(['install', 'repair', 'start', 'stop', 'restart']);
export type ServiceVerb = z.infer<typeof ServiceVerb>;

export const LocalService = z.strictObject({
  state: z.enum(['running', 'degraded', 'stopped', 'not-installed', 'version-mismatch', 'starting', 'untrusted-socket']),
  /** one sentence for people */
  detail: Line,
  appVersion: Line,
  serviceVersion: Line.nullable(),
  /** installed: the operating system runs it; child: this app does, from source; none: there is none here */
  owner: z.enum(['installed', 'child', 'none']),
  socket: Line.nullable(),
  startedAt: z.iso.datetime().nullable(),
  /** how often it was started again by itself */
  restarts: z.int(),
  /** newest last */
  lastLines: z.array(z.string().max(9_000)).max(25),
  logFile: Line.nullable(),
  verbs: z.array(ServiceVerb).max(5),
});
export type LocalService = z.infer<typeof LocalService>;

export const AppSettings = z.strictObject({
  theme: z.enum(['system', 'light', 'dark']),
  /** null: not asked yet */
  closeToTray: z.boolean().nullable(),
  launchAtLogin: z.boolean(),
  notifications: z.enum(['all', 'quiet', 'off']),
});
export type AppSettings = z.infer<typeof AppSettings>;

/** What this machine knows of a log. `alarm`: the log was rolled back or forked; it stays until a person dismisses the service. */
export const WitnessState = z.strictObject({
  appliance: z.string(),
  state: z.enum(['waiting', 'consistent', 'alarm']),
  size: z.int().nullable(),
  /** root hash of the newest checkpoint seen, base64 */
  root: z.string().max(64).nullable(),
  checkedAt: z.iso.datetime().nullable(),
  cosignedAt: z.iso.datetime().nullable(),
  detail: Line,
});
export type WitnessState = z.infer<typeof WitnessState>;

export const Attention = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('request'), appliance: z.string(), request: z.string() }),
  z.strictObject({ kind: z.literal('inbox') }),
  z.strictObject({ kind: z.literal('palette') }),
  z.strictObject({ kind: z.literal('settings') }),
  z.strictObject({ kind: z.literal('enrol'), code: z.string().max(4_096) }),
]);
export type Attention = z.infer<typeof Attention>;
