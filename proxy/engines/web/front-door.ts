import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { fail } from '../../contract/errors.ts';
import type { Caller } from '../../contract/principal.ts';
import type { Protocol, Resource } from '../../contract/resource.ts';
import type { Gate, WebBroker, WebExchange } from '../../pipeline/engine.ts';
import { answerError } from '../../wire/web/answer.ts';
import { challenge, identify, presented } from './client-auth.ts';
import { isOurHost, isOurOrigin, requestFault, requestTarget } from './request-checks.ts';
import type { WebRoutes } from './routes.ts';

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upgrade: { readonly socket: Duplex; readonly head: Buffer } | null;
  readonly gate: Gate;
  readonly gone: AbortSignal;
}

interface Place {
  readonly protocol: Protocol;
  readonly name: string;
  readonly isGroup: boolean;
  /** what stands before the resource's own path */
  readonly prefix: string;
  readonly path: string;
}

const place = /^(\/(mcp|http)\/(group\/)?([a-z][a-z0-9._-]{0,62}))(\/.*)?$/;
const oauthPaths = /^\/(?:oauth\/|\.well-known\/(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)(?:\/|$))/;
const ownPath = /^\/mcp\/postern(?:\/|$)/;

/** Every request comes by here: well formed, our address, somebody known, a resource that exists. Then its broker serves it. */
export class FrontDoor {
  readonly #brokers: ReadonlyMap<Protocol, WebBroker>;
  readonly #oauth: WebRoutes;
  readonly #own: WebRoutes;

  constructor({ brokers, oauth, own }: { readonly brokers: readonly WebBroker[]; readonly oauth: WebRoutes; readonly own: WebRoutes }) {
    this.#brokers = new Map(brokers.map((broker) => [broker.protocol, broker]));
    this.#oauth = oauth;
    this.#own = own;
  }

  /** Throws what the caller is to read, before an answer has begun. */
  async enter(visit: Visit): Promise<void> {
    const { request, gate } = visit;
    const fault = requestFault(request);
    if (fault !== null) {
      await gate.turnedAway(fault.code, 'a request that can be read in two ways');
      throw fault;
    }
    const { host = '', origin } = request.headers;
    const here = `${gate.tls === null ? 'http' : 'https'}://${host.toLowerCase()}`;
    if (!isOurHost(host, gate.names) || !isOurOrigin(request.headers, here)) {
      await gate.turnedAway('ERR_ORIGIN_REFUSED', isOurHost(host, gate.names) ? `origin ${origin ?? ''}` : `host ${host}`);
      throw fail('ERR_ORIGIN_REFUSED');
    }
    const target = requestTarget(request.url ?? '', host);
    if (target === null) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'The address of the request is not one of this gateway.' });
    await this.#route(visit, here, target);
  }

  async #route(visit: Visit, origin: string, { path, search }: { path: string; search: string }): Promise<void> {
    const { request, response, gate, gone } = visit;
    const pinned = gate.pinned === null ? null : gate.resource(gate.pinned);
    const context = { gate, origin, path, search, gone };
    // on a port of its own every path is the target's, except that MCP clients ask there how to get a token
    if (pinned?.protocol !== 'http' && oauthPaths.test(path) && (await this.#oauth(request, response, context))) return;
    if (gate.pinned === null && ownPath.test(path) && (await this.#own(request, response, context))) return;
    const found = gate.pinned === null ? placeOf(path) : pinned === null ? null : placeOn(pinned, path);
    if (found === null) throw fail('ERR_NOT_FOUND', { message: 'There is nothing at this address.' });
    await this.#admit(visit, found, { origin, search });
  }

  async #admit(visit: Visit, found: Place, { origin, search }: { origin: string; search: string }): Promise<void> {
    const { request, response, gate } = visit;
    const here = `${origin}${found.prefix}`;
    const shown = presented(request, found.protocol);
    const caller = shown === null ? null : await identify(gate, shown, [here, origin]);
    if (caller === null) {
      const metadata = `${origin}/.well-known/oauth-protected-resource${found.prefix}`;
      challenge(response, { metadata, invalid: request.headers.authorization !== undefined, protocol: found.protocol });
      return;
    }
    const resource = gate.resource(found.name);
    const broker = this.#brokers.get(found.protocol);
    if (resource === null || broker === undefined || !belongs(resource, found)) await refuseUnknown(gate, caller, found);
    else await serve(visit, broker, { request, response, caller, resource, path: found.path, search, here, gone: visit.gone });
  }
}

async function serve({ upgrade, gate, response }: Visit, broker: WebBroker, exchange: WebExchange): Promise<void> {
  if (upgrade === null) await broker.serve(exchange, gate);
  else if (broker.upgrade !== undefined) await broker.upgrade(exchange, upgrade, gate);
  else answerError(response, fail('ERR_FEATURE_REFUSED', { message: 'This resource speaks HTTP only.' }), { status: 501 });
}

function placeOf(path: string): Place | null {
  const match = place.exec(path);
  if (match === null) return null;
  const [, prefix = '', protocol, group, name = '', rest = ''] = match;
  if (protocol === 'http') return group === undefined ? { protocol, name, isGroup: false, prefix, path: rest } : placeOfGroupNamed(path);
  return { protocol: 'mcp', name, isGroup: group !== undefined, prefix, path: rest };
}

/** An HTTP resource may be named `group`: what follows is its path. */
function placeOfGroupNamed(path: string): Place {
  return { protocol: 'http', name: 'group', isGroup: false, prefix: '/http/group', path: path.slice('/http/group'.length) };
}

function placeOn(resource: Resource, path: string): Place {
  const isGroup = resource.protocol === 'mcp' && resource.upstream.transport === 'group';
  return { protocol: resource.protocol, name: resource.name, isGroup, prefix: '', path };
}

function belongs(resource: Resource, { protocol, isGroup }: Place): boolean {
  if (resource.protocol !== protocol) return false;
  return resource.protocol !== 'mcp' || (resource.upstream.transport === 'group') === isGroup;
}

/** What does not exist is refused, and recorded, in the same words and by the same code as what one may not use. */
async function refuseUnknown(gate: Gate, caller: Caller, { name }: Place): Promise<never> {
  await gate.turnedAway('ERR_RESOURCE_UNKNOWN', name, caller);
  throw fail('ERR_RESOURCE_UNKNOWN', { message: `There is no resource "${name}", or you may not use it.` });
}
