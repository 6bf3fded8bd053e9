import { request } from 'node:http';
import { z } from 'zod';
import { fail } from '../../proxy/contract/errors.ts';

// lenient: a newer service may say more
const Health = z.object({ state: z.enum(['up', 'degraded', 'down']), version: z.string().max(100), api: z.object({ oldest: z.int(), newest: z.int() }) });
export type Health = z.infer<typeof Health>;

/** Versions of the control API that this app speaks. */
export const spokenApi = { oldest: 1, newest: 1 } as const;

const deadlineMs = 3_000;
const maxAnswerBytes = 65_536;

/** Asks the service over its local socket. Throws ERR_CONTROL_UNAVAILABLE, its cause the fault of the system. */
export async function askHealth(socketPath: string): Promise<Health> {
  const body = await get(socketPath).catch((error: unknown) => {
    throw fail('ERR_CONTROL_UNAVAILABLE', { message: 'The service does not answer on its local socket.', cause: error });
  });
  try {
    return Health.parse(JSON.parse(body));
  } catch {
    throw fail('ERR_CONTROL_UNAVAILABLE', { message: 'What answers on the local socket is no service of Postern.' });
  }
}

/** One sentence naming who must be updated; null: they understand each other. */
export function versionFault({ version, api }: Health, appVersion: string): string | null {
  if (api.oldest > spokenApi.newest) return `Update this app: the service (${version}) no longer speaks to version ${appVersion}.`;
  if (api.newest < spokenApi.oldest) return `Update the service: version ${version} is too old for this app (${appVersion}).`;
  return null;
}

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/v1/health', headers: { host: 'localhost', accept: 'application/json' }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxAnswerBytes) sent.destroy(fail('ERR_INTERNAL', { message: 'The answer is too long.' }));
        else chunks.push(chunk);
      });
      response.once('error', reject).once('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString());
        else reject(fail('ERR_CONTROL_UNAVAILABLE', { message: `It answered ${String(response.statusCode)}.` }));
      });
    });
    // of the whole exchange, not of silence alone
    const late = setTimeout(() => sent.destroy(fail('ERR_TIMEOUT')), deadlineMs);
    sent.once('error', reject).once('close', () => {
      clearTimeout(late);
    });
    sent.end();
  });
}
