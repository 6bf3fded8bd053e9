import { fail, type ErrorCode } from '../../contract/errors.ts';
import type { AppError } from '../../lib/errors.ts';
import { serialise } from '../../lib/json/serialise.ts';
import { readMessage, type Message, type NotificationMessage, type RequestMessage, type ResponseMessage } from './envelope.ts';

/** What came from a server at once. */
export interface Incoming {
  /** null: an event without a message, which says where a stream can be taken up again */
  readonly message: Message | null;
  /** the message, on one line */
  readonly bytes: Uint8Array;
  readonly id: string | null;
  readonly retry: number | null;
}

/** What a server has to say to one request, or on one stream of its own. */
export interface Reply {
  /** of HTTP; 200 where there is none */
  readonly status: number;
  /** one message, or a stream of them; null: nobody knows before the first */
  readonly isStream: boolean | null;
  /** Ends after the last; throws AppError. */
  readonly messages: AsyncIterable<Incoming>;
}

export interface Outgoing {
  /** as the caller wrote it */
  readonly message: RequestMessage;
  /** as it is forwarded: decided in this form */
  readonly bytes: Uint8Array;
  /** its id on the way out, where that is one of ours */
  readonly number: number;
}

export interface Way {
  /** of HTTP: name, value, name, value, … */
  readonly headers: readonly string[];
  /** aborted: the caller wants no answer any more, and the server is told so */
  readonly signal: AbortSignal;
}

/** One connection to a server: of a session where the protocol has such, else of one live session of a caller. */
export interface McpUpstream {
  /** of the credential that it shows */
  readonly version: number;
  /** aborts when the server is gone */
  readonly gone: AbortSignal;
  /** Gives a request the id it has on the way out. */
  outgoing(message: RequestMessage): Outgoing;
  /** `bytes`: those of `outgoing`. Throws ERR_TARGET_UNREACHABLE, ERR_TIMEOUT, ERR_PROTOCOL_VIOLATION. */
  request(outgoing: Outgoing, bytes: Uint8Array, way: Way): Promise<Reply>;
  /** A notification, or the answer to a request of the server. */
  tell(message: NotificationMessage | ResponseMessage, bytes: Uint8Array, way: Way): Promise<void>;
  /** What the server says by itself; null: it has no such stream. */
  listen(lastEventId: string | null, way: Way): Promise<Reply | null>;
  /** Ends the session there, or the process. */
  close(reason: string): Promise<void>;
}

/** One message of a server, parsed as strictly as a caller's. Throws ERR_PROTOCOL_VIOLATION in words for the caller. */
export function incoming(bytes: Uint8Array, more: { id: string | null; retry: number | null } = { id: null, retry: null }): Incoming {
  let message: Message;
  try {
    message = readMessage(bytes, 'passing');
  } catch (error) {
    throw badServer(error);
  }
  // as one line: it may become an event of a stream
  const isOneLine = !bytes.includes(0x0a) && !bytes.includes(0x0d);
  return { message, bytes: isOneLine ? bytes : serialise(message.node), ...more };
}

export function badServer(cause: unknown): AppError<ErrorCode> {
  return fail('ERR_TARGET_UNREACHABLE', { message: 'The server broke the protocol: its answer cannot be passed on.', cause });
}
