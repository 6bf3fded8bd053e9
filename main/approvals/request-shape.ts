import { z } from 'zod';

/** What a toast rests on, of answers that only their service vouches for. Other members are left to a newer service. */
const Subject = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('access'), joins: z.string(), seconds: z.number() }),
  z.object({ kind: z.literal('operation'), resource: z.string(), command: z.string(), hidden: z.array(z.unknown()), acts: z.array(z.string()) }),
]);
const Canonical = z.object({
  id: z.string(),
  principal: z.object({ subject: z.string(), name: z.string() }),
  subject: Subject,
  terms: z.object({ risk: z.string() }),
  expiresAt: z.iso.datetime(),
});
const Drawable = z.object({
  request: z.object({ status: z.string(), ticket: z.string(), canonical: Canonical }),
  may: z.object({ decide: z.boolean() }),
});
const Named = z.object({ id: z.string().max(100), status: z.string() });

/** Whether these are the details of the request `id`, whole enough to be announced. */
export function isDrawable(details: unknown, id: string): boolean {
  const { data } = Drawable.safeParse(details);
  return data?.request.canonical.id === id;
}

/** Whether this is a request as lists and streams tell of it. */
export function isNamed(request: unknown): boolean {
  return Named.safeParse(request).success;
}
