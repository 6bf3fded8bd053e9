import { createServer, type Server } from 'node:https';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { api, type RouteName } from '../contract/api.ts';
import { pathParameters, routeFaults, type AnyRoute } from '../contract/api-route.ts';
import { asAppError, errorTable, fail, type ErrorCode } from '../contract/errors.ts';
import type { AppError } from '../lib/errors.ts';
import { serveConsole, type Console } from './console.ts';
import { dispatch, type Dispatching } from './dispatch.ts';
import { errorBody } from './error-body.ts';
import { serveOwnMcp, type OwnMcp } from './own-mcp.ts';

const maxBodyBytes = 1_048_576;
const maxConnections = 1_000;

/** Every route of the contract and the files of the console, and nothing else: no debugging addresses. */
export function createApp(dispatching: Dispatching, console: Console | null = null, own: Omit<OwnMcp, 'dispatching'> | null = null): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  // forwarded-for headers are the client's words
  app.set('trust proxy', false);
  app.set('query parser', 'simple');
  app.use(protect);
  serveConsole(app, console);
  if (own !== null) serveOwnMcp(app, { ...own, dispatching });
  app.all(['/mcp/*rest', '/http/*rest'], () => {
    throw fail('ERR_NOT_FOUND', { message: 'MCP servers and HTTP APIs are reached on their own port.', hint: 'See `postern status` for the address.' });
  });
  const routes: Readonly<Record<RouteName, AnyRoute>> = api;
  for (const name of Object.keys(api) as RouteName[]) register(app, name, routes[name], dispatching);
  app.use(() => {
    throw fail('ERR_NOT_FOUND');
  });
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    answerError(response, asHttpError(error), dispatching.log);
  });
  return app;
}

export interface ApiTls {
  readonly key: string;
  readonly cert: string;
}

/** Bounded in time at every step: a slow client costs one socket and nothing else. */
export function createApiServer(app: Express, tls: ApiTls): Server {
  const server = createServer(
    {
      key: tls.key,
      cert: tls.cert,
      minVersion: 'TLSv1.2',
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 2_000,
      maxHeaderSize: 16_384,
    },
    app,
  );
  server.maxConnections = maxConnections;
  server.maxHeadersCount = 64;
  server.on('tlsClientError', (_error, socket) => {
    socket.destroy();
  });
  return server;
}

/** Adds one route. Throws when the contract forbids it, for instance a change without an audit event. */
export function register(app: Express, name: RouteName, route: AnyRoute, dispatching: Dispatching): void {
  const faults = routeFaults(route);
  if (faults.length > 0) throw fail('ERR_INTERNAL', { message: `The route ${name} ${faults.join(', ')}.` });
  const path = route.path.replaceAll(/\{([a-zA-Z]+)\}/g, ':$1');
  const method = route.method.toLowerCase() as 'get' | 'post' | 'put' | 'delete';
  app[method](path, async (request: Request, response: Response) => {
    await dispatch({ name, route, members: () => membersOf(route, request, response), request, response }, dispatching);
  });
}

const methods = new Set(['GET', 'POST', 'PUT', 'DELETE']);

function protect(request: Request, response: Response, next: NextFunction): void {
  response.set({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': 'max-age=31536000',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
  // express would answer HEAD with the GET route and OPTIONS with the list of methods
  if (!methods.has(request.method)) throw fail('ERR_NOT_FOUND');
  const hasBody = Number(request.headers['content-length'] ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
  if (hasBody && (request.method === 'GET' || request.method === 'DELETE')) throw fail('ERR_INVALID_INPUT', { message: 'This method takes no body.' });
  if (hasBody && !/^application\/json(;\s*charset=utf-8)?$/i.test(request.headers['content-type'] ?? '')) {
    throw fail('ERR_INVALID_INPUT', { message: 'The body must be application/json.' });
  }
  next();
}

const parseJson = express.json({ limit: maxBodyBytes, strict: true, inflate: false, type: () => true });

/** Only after authorization: nobody unknown makes us parse anything. */
async function readBody(request: Request, response: Response): Promise<unknown> {
  await new Promise<void>((resolve, reject) => {
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- express makes its requests from Node's by their prototype
    parseJson(request, response, (error?: unknown) => {
      if (error === undefined) resolve();
      else reject(error instanceof Error ? error : fail('ERR_INVALID_INPUT', { message: 'The request could not be read.' }));
    });
  });
  return request.body ?? {};
}

/** Path parameters with query or body. A body that repeats a path parameter contradicts it, so it is refused. */
async function membersOf(route: AnyRoute, request: Request, response: Response): Promise<unknown> {
  const others: unknown = route.method === 'GET' || route.method === 'DELETE' ? request.query : await readBody(request, response);
  if (typeof others !== 'object' || others === null || Array.isArray(others)) throw fail('ERR_INVALID_INPUT', { message: 'The body must be a JSON object.' });
  const named = pathParameters(route.path);
  const repeated = named.filter((parameter) => Object.hasOwn(others, parameter));
  if (repeated.length > 0) throw fail('ERR_INVALID_INPUT', { message: `${repeated.join(', ')} stands in the path already.` });
  return { ...others, ...request.params };
}

function asHttpError(error: unknown): AppError<ErrorCode> {
  // express's own refusals: malformed JSON, a body over the limit, a broken escape in the path
  if (error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status >= 400 && error.status < 500) {
    if (error.status === 413) return fail('ERR_INVALID_INPUT', { message: `The body is longer than ${String(maxBodyBytes)} bytes.` });
    return fail('ERR_INVALID_INPUT', { message: 'The request could not be read.' });
  }
  return asAppError(error);
}

function answerError(response: Response, error: AppError<ErrorCode>, log: (line: string) => void): void {
  if (error.detail !== undefined) log(`${error.code}: ${error.detail}`);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status } = errorTable[error.code];
  if (status === 401) response.set('www-authenticate', 'Bearer');
  response.status(status).json(errorBody(error));
}
