import { join } from 'node:path';
import { z } from 'zod';
import { nodeLogFiles } from '../audit/log-files.ts';
import { logSigner } from '../audit/hashing.ts';
import { AuditLog } from '../audit/log.ts';
import { AuditServer } from '../audit/server.ts';
import { lockWriter } from '../audit/writer-lock.ts';
import { boot } from './boot.ts';

const key = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));

/** One JSON line on standard input; keys never stand in arguments or the environment. */
export const AuditParameters = z.strictObject({
  directory: z.string().min(1),
  socketPath: z.string().min(1).max(100),
  /** the log's name in its checkpoints and its key */
  origin: z.string().min(1).max(200),
  /** 32-byte Ed25519 seed of the log key, base64 */
  seed: key,
  /** 32 bytes, base64; bodies are encrypted under it */
  bodyKey: key,
  /** shown by readers that may see bodies; null: nobody may */
  readerToken: z.string().min(20).max(256).nullable(),
  /** how long a restarted log waits for processes that had something open */
  graceMs: z.int().min(0).max(600_000).optional(),
});
export type AuditParameters = z.infer<typeof AuditParameters>;

export interface AuditProcess {
  /** what the log is verified with: `origin+id+base64` */
  readonly verifierKey: string;
  readonly server: AuditServer;
  /** Records `log.stopped`, signs the last checkpoint. */
  stop(): Promise<void>;
}

/** Throws ERR_CONFLICT when another process writes the directory, ERR_VERIFICATION_FAILED when it is damaged. */
export async function startAuditProcess(parameters: AuditParameters): Promise<AuditProcess> {
  const { directory, origin, seed, bodyKey, socketPath, readerToken, graceMs } = parameters;
  const signer = logSigner(seed, origin);
  await nodeLogFiles.makeDirectory(directory);
  const lock = lockWriter(join(directory, 'lock'));
  try {
    const server = await AuditServer.start({
      socketPath,
      openLog: (lostBefore) => AuditLog.open({ directory, signer, bodyKey, ...(lostBefore && { lostBefore }) }),
      verifierKey: signer.verifierKey,
      readerToken,
      ...(graceMs !== undefined && { graceMs }),
    });
    let stopping: Promise<void> | null = null;
    const stop = async (): Promise<void> => {
      await server.stop();
      lock[Symbol.dispose]();
    };
    return { verifierKey: signer.verifierKey, server, stop: () => (stopping ??= stop()) };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

if (import.meta.main) {
  await boot(AuditParameters, async (parameters) => {
    const audit = await startAuditProcess(parameters);
    process.once('SIGTERM', () => {
      void audit.stop().finally(() => process.exit(0));
    });
    return { ready: { verifierKey: audit.verifierKey }, stop: () => audit.stop() };
  });
}
