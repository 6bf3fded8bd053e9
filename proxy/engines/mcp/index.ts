import type { McpResource } from '../../contract/resource.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Credential, Gate, Session, WebBroker, WebExchange } from '../../pipeline/engine.ts';
import type { OfferedTool } from '../../contract/tool-pin.ts';
import { BodyRoom } from '../../wire/web/body-room.ts';
import type { Upstreams } from '../../wire/web/upstream.ts';
import type { SqlAnalyser } from './analyse-arguments.ts';
import type { Call, Shared } from './call.ts';
import type { Pins } from './catalogue.ts';
import type { Era } from './era.ts';
import { KnownFacts } from './facts.ts';
import { LegacySessions } from './legacy-sessions.ts';
import { Links } from './link.ts';
import { probeServer } from './probe.ts';
import { RequestStates } from './request-state.ts';
import { serveExchange, type ServeDeps } from './serve.ts';
import type { StdioChildren } from './stdio-children.ts';

const roomLimits = { total: 536_870_912, perOwner: 134_217_728 } as const;

export interface McpBrokerDeps {
  readonly clock: Clock;
  readonly upstreams: Upstreams;
  readonly children: StdioChildren;
  readonly analysers: { readonly sql: SqlAnalyser };
  /** masks what a server says outside a session */
  readonly mask: (plain: string) => string;
  /** what people agreed to of a resource, as `kind:name` */
  readonly pins: (resource: string) => Pins;
  /** what a server offers and nobody decided on yet; definitions are masked */
  readonly offered: (resource: string, tools: readonly OfferedTool[]) => void;
}

export interface McpBroker extends WebBroker {
  readonly protocol: 'mcp';
  /** Looks at what a server offers, outside any session; a sentence about it. Throws ERR_TARGET_UNREACHABLE, ERR_TIMEOUT. */
  probe(resource: McpResource, credential: Credential): Promise<string>;
}

/** MCP over Streamable HTTP towards callers, in both eras; towards servers over HTTP, SSE and stdio. See README.md. */
export function createMcpBroker(deps: McpBrokerDeps): McpBroker {
  const shared: Shared = { clock: deps.clock, states: new RequestStates(deps.clock), known: new KnownFacts(), sql: deps.analysers.sql };
  const links = new Links(deps);
  const serving: ServeDeps = {
    shared,
    sessions: new LegacySessions(),
    room: new BodyRoom(roomLimits),
    running: new WeakMap<Session, Map<string, Call>>(),
    link: (session: Session, resource: McpResource, era: Era) => links.of(session, resource, era),
  };
  return {
    protocol: 'mcp',
    serve: (exchange: WebExchange, gate: Gate) => serveExchange(serving, exchange, gate),
    probe: (resource, credential) => probeServer(deps, resource, credential),
  };
}
