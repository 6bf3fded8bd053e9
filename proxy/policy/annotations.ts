import { z } from 'zod';
import { ApprovalTerms } from '../contract/approval-request.ts';

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    // shown to callers and written to logs: one line, no control characters
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'must be one line without control characters');

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const defaultExpiry = 900;

/** `15m`; between 10 s and a day. */
const Duration = z
  .string()
  .regex(/^[1-9][0-9]{0,4}[smhd]$/, 'must be a duration such as 90s, 15m or 1h')
  .transform((text) => Number(text.slice(0, -1)) * (unitSeconds[text.slice(-1)] ?? Number.NaN))
  .refine((seconds) => seconds >= 10 && seconds <= 86_400, 'must be between 10s and 1d');

/** What a policy may be annotated with. Everything else is refused, so that a misspelt annotation is never a silent one. */
export const Annotations = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, dot, dash and underscore; at most 100')
    .optional(),
  message: line(300).optional(),
  hint: line(300).optional(),
  description: line(1000).optional(),
  /** `group:n`: n distinct humans of the group must approve each command this permit lets through */
  approve: z
    .string()
    .regex(/^[a-z][a-z0-9._-]{0,62}:[1-9]$/, 'must be group:n with n from 1 to 9, such as dba:2')
    .optional(),
  /** hold: the session waits; retry: refused with the request's id, and the same command runs once after approval */
  request: ApprovalTerms.shape.mode.optional(),
  expires: Duration.optional(),
  risk: ApprovalTerms.shape.risk.optional(),
  /** the owner of the service account may decide, too */
  owner: z.literal('may-decide').optional(),
});
export type Annotations = z.infer<typeof Annotations>;

/** Conditions on a permit that somebody must fulfil: a permit whose obligation nobody enforces would be a plain permit. */
const obligations: ReadonlySet<string> = new Set(['mask', 'record', 'rows', 'reason', 'mfa', 'shadow_mode']);

/** The terms of a policy's @approve; null: it asks nobody. */
export function termsOf({ approve, request, expires, risk, owner }: Annotations): ApprovalTerms | null {
  if (approve === undefined) return null;
  const colon = approve.lastIndexOf(':');
  return {
    group: approve.slice(0, colon),
    needed: Number(approve.slice(colon + 1)),
    mode: request ?? 'hold',
    expiresInSeconds: expires ?? defaultExpiry,
    risk: risk ?? 'normal',
    ownerDecides: owner === 'may-decide',
  };
}

const risks = ['low', 'normal', 'high'] as const;

/** The stricter of two in every respect; null when they ask different groups, which one request cannot. */
export function stricter(a: ApprovalTerms, b: ApprovalTerms): ApprovalTerms | null {
  if (a.group !== b.group) return null;
  return {
    group: a.group,
    needed: Math.max(a.needed, b.needed),
    mode: a.mode === 'retry' ? a.mode : b.mode,
    expiresInSeconds: Math.min(a.expiresInSeconds, b.expiresInSeconds),
    risk: risks[Math.max(risks.indexOf(a.risk), risks.indexOf(b.risk))] ?? 'high',
    ownerDecides: a.ownerDecides && b.ownerDecides,
  };
}

const companions = ['request', 'expires', 'risk', 'owner'] as const;

/** What the values cannot show one by one. */
export function contradictions(annotations: Annotations, effect: 'permit' | 'forbid'): readonly AnnotationFault[] {
  if (annotations.approve !== undefined) {
    return effect === 'permit' ? [] : [{ annotation: 'approve', message: '@approve belongs to a permit: a forbid cannot be approved' }];
  }
  return companions
    .filter((name) => annotations[name] !== undefined)
    .map((name) => ({ annotation: name, message: `@${name} says how to approve, but there is no @approve` }));
}

export interface AnnotationFault {
  readonly annotation: string;
  readonly message: string;
}

export function readAnnotations(
  values: Readonly<Record<string, string | null>>,
): { readonly annotations: Annotations } | { readonly faults: readonly AnnotationFault[] } {
  const parsed = Annotations.safeParse(values);
  if (parsed.success) return { annotations: parsed.data };
  const known = Object.keys(Annotations.shape)
    .map((name) => `@${name}`)
    .join(', ');
  return {
    faults: parsed.error.issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys') return [{ annotation: String(issue.path[0]), message: `@${String(issue.path[0])} ${issue.message}` }];
      return issue.keys.map((name) => ({
        annotation: name,
        message: obligations.has(name)
          ? `the obligation @${name} is not enforced by this version, so a policy that relies on it is refused`
          : `unknown annotation @${name}; known are ${known}`,
      }));
    }),
  };
}
