import { timingSafeEqual } from 'node:crypto';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import type { Express, Request, Response } from 'express';
import { api, type RouteName } from '../contract/api.ts';
import type { AnyRoute, Role } from '../contract/api-route.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { Secret } from '../lib/secret.ts';
import { authorize } from './authorize.ts';
import { addressOf, perform, type Dispatching } from './dispatch.ts';
import { errorBody } from './error-body.ts';

interface OwnTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** does, records and refuses what this route does */
  readonly route: RouteName;
  readonly readOnly: boolean;
}

/** Each tool is a route of the control API under a name that tells a model when to use it: one authorization for both. */
const tools: readonly OwnTool[] = [
  {
    name: 'what_may_i_reach',
    title: 'What may I reach?',
    description: 'Lists the resources that the calling service account may connect to, and where.',
    route: 'listOwnResources',
    readOnly: true,
  },
  {
    name: 'request_access',
    title: 'Request access',
    description: 'Asks people to let the calling service account join a group for a time. Say why; they read it. Nothing is granted until they approve.',
    route: 'requestAccess',
    readOnly: false,
  },
  {
    name: 'my_requests',
    title: 'My approval requests',
    description: 'Lists the newest approval requests of the calling service account with their states.',
    route: 'listOwnRequests',
    readOnly: true,
  },
  {
    name: 'show_my_request',
    title: 'One of my approval requests',
    description: 'Shows one approval request of the calling service account: what is asked, who decided, until when.',
    route: 'showOwnRequest',
    readOnly: true,
  },
  {
    name: 'search_audit_events',
    title: 'Search the audit events',
    description: 'For auditors: searches the audit events, newest first. Reading them is itself recorded.',
    route: 'searchAudit',
    readOnly: true,
  },
  { name: 'list_sessions', title: 'Sessions', description: 'For auditors: sessions, live and ended, newest first.', route: 'listSessions', readOnly: true },
  {
    name: 'service_status',
    title: 'State of the service',
    description: 'For auditors: the state of every part of the service.',
    route: 'status',
    readOnly: true,
  },
];

const itself = 'postern';
const path = `/mcp/${itself}`;
const maxBodyBytes = 262_144;
const bearer = /^Bearer ([A-Za-z0-9._~+/=-]{8,512})$/i;
const routes: Readonly<Record<RouteName, AnyRoute>> = api;

interface Calling {
  readonly header: string;
  readonly address: string;
  readonly roles: readonly Role[];
  readonly gone: AbortController;
}

export interface OwnMcp {
  readonly dispatching: Dispatching;
  readonly version: string;
  /** a gateway that forwards says so with this; then the client's address is what it says */
  readonly forwarder: Secret<string>;
}

/** Our own MCP server, on the official SDK, in both eras and without sessions: nothing of one request is known to the next. */
export function serveOwnMcp(app: Express, own: OwnMcp): void {
  app.all(path, async (request: Request, response: Response) => {
    const calling = callingOf(request, own);
    if (calling === null) return refuse(request, own);
    response.once('close', () => {
      calling.gone.abort();
    });
    const log = (error: Error): void => {
      own.dispatching.log(`own MCP server: ${error.message}`);
    };
    const handler = createMcpHandler(() => serverFor(calling, own), { legacy: 'stateless', onerror: log });
    await toNodeHandler(handler, { onerror: log, maxRequestBodySize: maxBodyBytes })(request, response);
  });
}

/** Recorded and bounded like a failed call of the control API. Throws, always. */
async function refuse(request: Request, { dispatching, forwarder }: OwnMcp): Promise<never> {
  const route = { ...routes.listOwnResources, method: 'POST', path } as const;
  await authorize({ route, header: request.headers.authorization, address: clientOf(request, forwarder) }, dispatching);
  throw fail('ERR_UNAUTHENTICATED');
}

function callingOf(request: Request, { dispatching, forwarder }: OwnMcp): Calling | null {
  const header = request.headers.authorization ?? '';
  const token = bearer.exec(header)?.[1];
  const address = clientOf(request, forwarder);
  const caller = token === undefined ? null : dispatching.authenticate(new Secret(token), address);
  // a token for another server is not for this one (RFC 8707)
  const isForUs = caller?.resources === undefined || caller.resources.length === 0 || caller.resources.includes(itself);
  return caller === null || !isForUs ? null : { header, address, roles: caller.roles, gone: new AbortController() };
}

function clientOf(request: Request, forwarder: Secret<string>): string {
  const said = request.headers['x-postern-forwarder'];
  const client = request.headers['x-postern-client'];
  if (typeof said !== 'string' || typeof client !== 'string') return addressOf(request);
  const [given, expected] = [Buffer.from(said), Buffer.from(forwarder.reveal())];
  return given.length === expected.length && timingSafeEqual(given, expected) ? client : addressOf(request);
}

function serverFor(calling: Calling, { dispatching, version }: OwnMcp): McpServer {
  const server = new McpServer({ name: 'postern', title: 'Postern', version }, { instructions: 'What this gateway lets you reach, and how to ask for more.' });
  for (const { name, title, description, route: routeName, readOnly } of tools) {
    const route = routes[routeName];
    if (route.roles === 'public' || !route.roles.some((role) => calling.roles.includes(role))) continue;
    const annotations = { readOnlyHint: readOnly, destructiveHint: false, openWorldHint: false };
    server.registerTool(name, { title, description, inputSchema: route.input, annotations }, async (input: unknown) => {
      try {
        const members = (): Promise<unknown> => Promise.resolve(input);
        const { result } = await perform(
          { name: routeName, route, header: calling.header, address: calling.address, gone: calling.gone, members },
          dispatching,
        );
        const shown = route.output.parse(result);
        return { content: [{ type: 'text', text: JSON.stringify(shown) }], structuredContent: { result: shown } };
      } catch (error) {
        const fault = asAppError(error);
        if (fault.detail !== undefined) dispatching.log(`${fault.code}: ${fault.detail}`);
        return {
          content: [{ type: 'text', text: `${fault.message} ${fault.hint ?? ''}`.trim() }],
          structuredContent: { error: errorBody(fault) },
          isError: true,
        };
      }
    });
  }
  return server;
}
