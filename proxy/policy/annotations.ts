import { z } from 'zod';

const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    // shown to callers and written to logs: one line, no control characters
    .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'must be one line without control characters');

/** What a policy may be annotated with. Everything else is refused, so that a misspelt annotation is never a silent one. */
export const Annotations = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, dot, dash and underscore; at most 100')
    .optional(),
  message: line(300).optional(),
  hint: line(300).optional(),
  description: line(1000).optional(),
});
export type Annotations = z.infer<typeof Annotations>;

/** Conditions on a permit that somebody must fulfil: a permit whose obligation nobody enforces would be a plain permit. */
const obligations: ReadonlySet<string> = new Set(['approve', 'mask', 'record', 'rows', 'reason', 'mfa', 'shadow_mode']);

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
