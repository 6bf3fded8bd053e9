import { z } from 'zod';
import type { AuditClient } from '../audit/client.ts';
import type { Actor } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { HttpResource, McpResource, Resource } from '../contract/resource.ts';
import type { ToolPin } from '../contract/tool-pin.ts';
import { createHttpBroker } from '../engines/http/index.ts';
import { createMcpBroker } from '../engines/mcp/index.ts';
import { StdioChildren } from '../engines/mcp/stdio-children.ts';
import type { CatalogueLoading } from '../engines/postgres/client-catalogue.ts';
import { createWebEngine } from '../engines/web/index.ts';
import { createOAuthRoutes } from '../engines/web/oauth.ts';
import type { OAuthPorts, Shown } from '../engines/web/oauth-token.ts';
import type { Identity } from '../identity/identity.ts';
import type { LastingRpc } from '../ipc/rpc.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import type { Credential, Engine } from '../pipeline/engine.ts';
import { header, timestamp } from '../pipeline/headers.ts';
import type { ControlPort, MaskingPort } from '../pipeline/ports.ts';
import { TargetAccess } from '../wire/web/target-access.ts';
import type { Upstreams } from '../wire/web/upstream.ts';
import { sqlAnalyser } from './gateway-analysers.ts';
import { ownServerRoutes, type OwnServer } from './gateway-own.ts';

export interface WebGiven {
  readonly own: OwnServer;
  readonly upstreams: Upstreams;
  readonly identity: Identity;
  readonly pins: () => readonly ToolPin[];
  readonly resource: (name: string) => Resource | null;
  readonly control: LastingRpc;
  readonly loading: CatalogueLoading;
  readonly masking: MaskingPort;
  readonly lease: ControlPort['lease'];
  readonly audit: AuditClient;
  /** a line for the operator */
  readonly log: (line: string) => void;
}

export interface WebParts {
  readonly engine: Engine;
  /** Reaches the target outside a session; a sentence on what was there. Throws ERR_TARGET_UNREACHABLE. */
  probe(resource: HttpResource | McpResource, credential: Credential): Promise<string>;
  close(): Promise<void>;
}

const maxChildren = 256;
const maxChildrenPerServer = 64;
const maxChildrenPerOwner = 32;
const childIdleMs = 300_000;
const probeMs = 10_000;
/** of what a server that ended by itself last said */
const shownLines = 10;
const shownChars = 300;
const Minted = z.object({ token: z.string(), expiresIn: z.int() });

/** What serves MCP and HTTP in a gateway. */
export function webParts(given: WebGiven): WebParts {
  const { own, upstreams, loading, masking, lease, resource, control } = given;
  const children = new StdioChildren({
    maxChildren,
    maxPerServer: maxChildrenPerServer,
    maxPerOwner: maxChildrenPerOwner,
    idleMs: childIdleMs,
    mask: maskText,
    ended: endOf(given.log),
  });
  const pins = new PinTable(given.pins);
  const mcp = createMcpBroker({
    clock: systemClock,
    upstreams,
    children,
    analysers: { sql: sqlAnalyser({ loading, resource, lease, masking }) },
    mask: maskText,
    pins: (name) => pins.of(name),
    offered: (name, tools) => {
      control.notify('offered', { resource: name, tools });
    },
  });
  const brokers = [createHttpBroker({ upstreams }), mcp];
  const engine = createWebEngine({ brokers, oauth: createOAuthRoutes(oauthPorts(given), systemClock), own: ownServerRoutes(own) });
  return {
    engine,
    probe: (target, credential) => (target.protocol === 'http' ? probeHttp(target, credential, upstreams) : mcp.probe(target, credential)),
    close: async () => {
      await children.stopAll('The gateway stops.');
      await upstreams.close();
    },
  };
}

/** What a server that ended by itself last said is for whoever runs the service. */
function endOf(log: (line: string) => void): NonNullable<ConstructorParameters<typeof StdioChildren>[0]['ended']> {
  return ({ server }, { isStopped, fault, code, signal, lastLines }) => {
    if (isStopped && fault === null) return;
    log(`MCP server ${server} ended: ${fault?.message ?? `code ${String(code)}, signal ${String(signal)}`}`);
    for (const line of lastLines.slice(-shownLines)) log(`MCP server ${server}: ${line.slice(0, shownChars).replaceAll(/\p{Cc}/gu, ' ')}`);
  };
}

/** Arranged anew when a snapshot brings other pins. */
class PinTable {
  readonly #current: () => readonly ToolPin[];
  #from: readonly ToolPin[] | null = null;
  #byResource = new Map<string, Map<`${ToolPin['kind']}:${string}`, ToolPin>>();

  constructor(current: () => readonly ToolPin[]) {
    this.#current = current;
  }

  of(resource: string): ReadonlyMap<`${ToolPin['kind']}:${string}`, ToolPin> {
    const pins = this.#current();
    if (pins !== this.#from) this.#arrange(pins);
    return this.#byResource.get(resource) ?? new Map();
  }

  #arrange(pins: readonly ToolPin[]): void {
    this.#from = pins;
    this.#byResource = new Map();
    for (const pin of pins) {
      const own = this.#byResource.get(pin.resource) ?? new Map<`${ToolPin['kind']}:${string}`, ToolPin>();
      own.set(`${pin.kind}:${pin.name}`, pin);
      this.#byResource.set(pin.resource, own);
    }
  }
}

function oauthPorts({ identity, control, audit }: WebGiven): OAuthPorts {
  return {
    assertion: (token, origin, wanted) => identity.assertion(token, origin, wanted),
    exchange: async (wanted) => {
      const { token, expiresIn } = Minted.parse(await control.call('exchange', wanted));
      return { token: new Secret(token), expiresIn };
    },
    record: async ({ origin, shown, failure }) => {
      const event = header(failure === null ? 'authentication.succeeded' : 'authentication.failed', {
        at: timestamp(systemClock.now()),
        actor: actorOf(shown),
        origin,
        outcome: failure === null ? 'success' : 'failure',
        affected: 'gateway:/oauth/token',
        ...(failure !== null && { reason: maskText(failure).slice(0, 500).toWellFormed() }),
      });
      await audit.whenDurable(audit.append(event, { kind: 'plain' }));
    },
  };
}

function actorOf(shown: Shown | null): Actor {
  if (shown === null) return { issuer: 'postern', subject: 'unknown', name: 'unknown', kind: 'unknown', credential: 'none' };
  const { account, trusted } = shown;
  return { issuer: 'postern', subject: account.id, name: account.name, kind: 'service-account', credential: trusted.credential, run: trusted.run };
}

async function probeHttp({ url, ca, allowLocal, credential: how }: HttpResource, credential: Credential, upstreams: Upstreams): Promise<string> {
  const session = { lease: <T>(use: (leased: Credential) => Promise<T>) => use(credential), conceal: () => undefined };
  const access = new TargetAccess({ session, target: { url, ca, allowLocal }, credential: how, upstreams, clock: systemClock });
  const { upstream, headers } = await access.use();
  const signal = AbortSignal.timeout(probeMs);
  const { status, body } = await upstream.request({ method: 'GET', path: upstream.base === '' ? '/' : upstream.base, headers, body: null, signal });
  body.destroy();
  if (status === 401 || status === 403) throw fail('ERR_TARGET_UNREACHABLE', { detail: `The target refused the credential: HTTP ${String(status)}.` });
  return `The target answered with HTTP ${String(status)}.`;
}
