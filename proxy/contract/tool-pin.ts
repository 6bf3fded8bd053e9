import { z } from 'zod';

/** What a server offers under a name and what it says about itself is what people agreed to; a change of it is not. */
export const ToolPin = z.strictObject({
  id: z.string().regex(/^pin_[A-Za-z]{1,40}$/),
  resource: z.string().max(63),
  /** `server`: the instructions and identity of the server as a whole, under the empty name */
  kind: z.enum(['tool', 'prompt', 'server']),
  name: z.string().max(256),
  /** SHA-256 over the JCS form (RFC 8785) of the whole definition as the server sent it, hex */
  offered: z.string().regex(/^[0-9a-f]{64}$/),
  /** the masked definition, JSON, for people */
  offeredDefinition: z.string().max(131_072),
  /** what was agreed to; null: nothing yet */
  approved: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  approvedDefinition: z.string().max(131_072).nullable(),
  /** the administrator confirmed that it changes nothing: its calls may be recorded while they are forwarded */
  readOnly: z.boolean(),
  seenAt: z.iso.datetime(),
  /** when and by whom it was agreed to or refused; null: not decided */
  decidedAt: z.iso.datetime().nullable(),
  decidedBy: z.string().max(200).nullable(),
  /** refused: stays hidden, and is not asked about again until it changes */
  rejected: z.boolean(),
});
export type ToolPin = z.infer<typeof ToolPin>;

/** What a gateway saw; control makes a pin of it when it is not one yet. */
export const OfferedTool = ToolPin.pick({ kind: true, name: true, offered: true, offeredDefinition: true });
export type OfferedTool = z.infer<typeof OfferedTool>;

/** A tool can be called as it is offered only when exactly that was agreed to. */
export function isAgreed(pin: ToolPin | undefined, offered: string): boolean {
  return pin !== undefined && !pin.rejected && pin.approved === offered;
}
