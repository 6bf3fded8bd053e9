import { z } from 'zod';

/** The run a caller is: what its token said about itself, masked and capped. `issuer`, `subject` and `jti` are always there. */
export const Run = z.record(z.string().max(100), z.string().max(300));
export type Run = z.infer<typeof Run>;
