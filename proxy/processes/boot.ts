import { createInterface } from 'node:readline';
import type { z } from 'zod';

/**
 * How a process of the service begins: its parameters are one JSON line on standard input, which then stays open. When it
 * ends, the supervisor is gone or wants the process to stop: `stop` is called once and the process ends after it.
 */
export async function boot<T>(
  schema: z.ZodType<T>,
  run: (parameters: T) => Promise<{ ready: Record<string, unknown>; stop: () => Promise<void> }>,
): Promise<void> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  const ended = new Promise<void>((resolve) => {
    lines.once('close', resolve);
  });
  const first = await new Promise<string | null>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => {
      resolve(null);
    });
  });
  if (first === null) return;
  try {
    const { ready, stop } = await run(schema.parse(JSON.parse(first)));
    process.stdout.write(`${JSON.stringify({ ready: true, ...ready })}\n`);
    await ended;
    await stop();
    process.exit(0);
  } catch (error) {
    const detail = error instanceof Error && 'detail' in error && typeof error.detail === 'string' ? ` (${error.detail})` : '';
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}${detail}\n`);
    process.exit(1);
  }
}
