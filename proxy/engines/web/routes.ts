import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Gate } from '../../pipeline/engine.ts';

/** One request whose Host and Origin were checked; nobody is identified yet. */
export interface WebContext {
  readonly gate: Gate;
  /** our address as the caller wrote it, without a slash at its end: `https://gateway:8444` */
  readonly origin: string;
  /** without query, beginning with `/` */
  readonly path: string;
  /** with `?`, or empty */
  readonly search: string;
  /** aborts when the client is gone or the gateway stops */
  readonly gone: AbortSignal;
}

/** Answers a request, and says whether it was its own. Never rejects. */
export type WebRoutes = (request: IncomingMessage, response: ServerResponse, context: WebContext) => Promise<boolean>;
