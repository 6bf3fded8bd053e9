import { z } from 'zod';
import { type ErrorCode, errorTable, fail } from '../contract/errors.ts';
import { type Channel, connectUnix } from '../ipc/channel.ts';
import { fromBase64 } from '../proof/bytes.ts';
import { decodeFrame, jsonFrame } from './frames.ts';
import { Grown, Proof, ReadResult, type Request, Status, SyncResult } from './requests.ts';

const Response = z.union([
  z.strictObject({ result: z.unknown() }),
  z.strictObject({ error: z.object({ code: z.string(), message: z.string(), detail: z.string().optional() }) }),
]);

export interface AuditReaderOptions {
  readonly socketPath: string;
  /** lets the reader see bodies and reopen a lost log; only control has it */
  readonly token?: string;
  readonly deadlineMs?: number;
}

interface Pending {
  readonly resolve: (json: string) => void;
  readonly reject: (error: Error) => void;
}

/** Asks the running log. Connects when first needed; every call has a deadline and rejects with an AppError. */
export class AuditReader {
  readonly #options: AuditReaderOptions;
  #channel: Promise<Channel> | null = null;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(options: AuditReaderOptions) {
    this.#options = options;
  }

  async status(): Promise<Status> {
    return Status.parse(await this.#ask({ do: 'status' }));
  }

  /** Durable entries, once they are more than `size` or some seconds have passed; at once when the log takes no more. */
  async grown(size: number): Promise<number> {
    return Grown.parse(await this.#ask({ do: 'grown', size })).size;
  }

  /** At most 1000 entries or 4 MiB; go on at `next`. With bodies when the reader has a token and `bodies` is set. */
  async read(range: { from: number; to: number; bodies?: boolean }): Promise<ReadResult> {
    const { token } = this.#options;
    const withBodies = range.bodies === true;
    if (withBodies && token === undefined) throw fail('ERR_FORBIDDEN');
    return ReadResult.parse(await this.#ask({ do: 'read', from: range.from, to: range.to, ...(withBodies && { token }) }));
  }

  /** At most 1000 entries, given in ascending order, with their bodies; `text`: only those in which it stands. Go on with those from `next` on. */
  async pick({ indexes, text }: { indexes: readonly number[]; text?: string | undefined }): Promise<ReadResult> {
    const { token } = this.#options;
    if (token === undefined) throw fail('ERR_FORBIDDEN');
    return ReadResult.parse(await this.#ask({ do: 'pick', indexes: [...indexes], ...(text !== undefined && { text }), token }));
  }

  /** Signed note of the newest head, or null before the first. */
  async checkpoint(): Promise<string | null> {
    return (await this.status()).checkpoint;
  }

  async proof(index: number, size: number): Promise<Uint8Array[]> {
    return decodeHashes(await this.#ask({ do: 'proof', index, size }));
  }

  async consistency(from: number, to: number): Promise<Uint8Array[]> {
    return decodeHashes(await this.#ask({ do: 'consistency', from, to }));
  }

  /** Everything so far under a new checkpoint; gives it. */
  async sync(): Promise<string> {
    return SyncResult.parse(await this.#ask({ do: 'sync' })).checkpoint;
  }

  /** Opens a lost log anew. */
  async reopen(): Promise<void> {
    const { token } = this.#options;
    if (token === undefined) throw fail('ERR_FORBIDDEN');
    await this.#ask({ do: 'reopen', token });
  }

  async close(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    await channel?.then(
      (open) => open.close(),
      () => undefined,
    );
  }

  async #ask(request: Request): Promise<unknown> {
    this.#channel ??= this.#connect();
    const channel = await this.#channel;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => reject(fail('ERR_TIMEOUT', { detail: `the log did not answer ${request.do}` })), this.#options.deadlineMs ?? 15_000);
    this.#pending.set(id, { resolve, reject });
    channel.send(jsonFrame('request', id, request));
    try {
      const response = Response.parse(JSON.parse(await promise));
      if ('error' in response)
        throw fail(isErrorCode(response.error.code) ? response.error.code : 'ERR_INTERNAL', {
          message: response.error.message,
          ...(response.error.detail !== undefined && { detail: response.error.detail }),
        });
      return response.result;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  async #connect(): Promise<Channel> {
    const channel = await connectUnix(this.#options.socketPath).catch((error: unknown) => {
      this.#channel = null;
      throw fail('ERR_AUDIT_UNAVAILABLE', { cause: error });
    });
    channel.onFrame = (payload) => {
      const frame = decodeFrame(payload);
      if (frame?.kind === 'response') this.#pending.get(frame.id)?.resolve(frame.json);
    };
    channel.onClose = () => {
      this.#channel = null;
      for (const { reject } of this.#pending.values()) reject(fail('ERR_AUDIT_UNAVAILABLE'));
    };
    return channel;
  }
}

function decodeHashes(result: unknown): Uint8Array[] {
  return Proof.parse(result).hashes.map((text) => {
    const bytes = fromBase64(text);
    if (bytes === null) throw fail('ERR_INTERNAL', { detail: 'a hash is not base64' });
    return bytes;
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}
