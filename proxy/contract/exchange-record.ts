import { z } from 'zod';

/**
 * What a recording of HTTP and MCP holds beside the masked command: in the frames of one operation the first entry is a
 * request, the second a response, each one line of masked JSON. What follows is the body as it was released; after status
 * 101 it is one line for each message.
 */
export const ExchangeRecord = z.discriminatedUnion('dir', [
  z.object({
    dir: z.literal('request'),
    /** HTTP method, or the JSON-RPC one */
    method: z.string(),
    /** path and query at the target; of MCP the name of the tool, prompt or resource */
    path: z.string(),
    headers: z.record(z.string(), z.string()),
    /** length of the body in bytes */
    bytes: z.int().min(0),
  }),
  z.object({
    dir: z.literal('response'),
    status: z.int(),
    /** several of one name are joined by a line break */
    headers: z.record(z.string(), z.string()),
    /** milliseconds from forwarding to the head of the answer */
    millis: z.int().min(0),
  }),
  z.object({
    dir: z.literal('message'),
    by: z.enum(['client', 'target']),
    /** null: bytes, of which only the count is kept */
    text: z.string().nullable(),
    bytes: z.int().min(0),
  }),
]);
export type ExchangeRecord = z.infer<typeof ExchangeRecord>;
