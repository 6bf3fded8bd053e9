import { z } from 'zod';

/** pan: shown as first 6 + last 4 (PCI DSS 3.4.1); sad: CVV, track, PIN, never shown; other: hidden whole unless unmasked. */
export const Tag = z.enum(['pan', 'sad', 'other']);
export type Tag = z.infer<typeof Tag>;

/** A tagged column of a resource. */
export const MaskingRule = z.strictObject({
  resource: z.string(),
  schema: z.string().min(1).max(63),
  table: z.string().min(1).max(63),
  column: z.string().min(1).max(63),
  tag: Tag,
});
export type MaskingRule = z.infer<typeof MaskingRule>;
