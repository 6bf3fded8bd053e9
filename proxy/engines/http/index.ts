import { fail } from '../../contract/errors.ts';
import type { HttpResource } from '../../contract/resource.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import type { Gate, Session, WebBroker, WebExchange } from '../../pipeline/engine.ts';
import { answerError, type ResponseSink } from '../../wire/web/answer.ts';
import { BodyRoom } from '../../wire/web/body-room.ts';
import { TargetAccess } from '../../wire/web/target-access.ts';
import type { Upstreams } from '../../wire/web/upstream.ts';
import { Refused, serveCall } from './exchange.ts';
import { serveUpgrade } from './upgrade.ts';

export interface HttpBrokerDeps {
  readonly upstreams: Upstreams;
  readonly clock?: Clock;
}

/** What both ways of serving need. */
export interface Served {
  readonly exchange: WebExchange;
  readonly resource: HttpResource;
  readonly session: Session;
  readonly access: TargetAccess;
  readonly stops: Stops;
  readonly gate: Gate;
  readonly room: BodyRoom;
}

/** One exchange that the end of its session stops, on both sides. */
export interface Stoppable {
  readonly stop: AbortController;
  readonly sink: ResponseSink;
}

export type Stops = Set<Stoppable>;

/** What all exchanges of one session share. */
interface Way {
  readonly access: TargetAccess;
  readonly stops: Stops;
}

const idleMs = 60_000;
const roomLimits = { total: 536_870_912, perOwner: 134_217_728 } as const;

/** HTTP APIs: see README.md for what passes, in which form, and how the rest fails. */
export function createHttpBroker({ upstreams, clock = systemClock }: HttpBrokerDeps): WebBroker {
  const ways = new WeakMap<Session, Way>();
  const room = new BodyRoom(roomLimits);

  async function served(exchange: WebExchange, gate: Gate): Promise<Served> {
    const { resource, caller, request } = exchange;
    if (resource.protocol !== 'http') throw fail('ERR_RESOURCE_UNKNOWN');
    const session = await gate.share(caller, { resource: resource.name, key: '', applicationName: request.headers['user-agent'] ?? '', idleMs });
    // the session's own resource: what it was opened for is what it may reach
    const own = session.resource.protocol === 'http' ? session.resource : resource;
    let way = ways.get(session);
    if (way === undefined) {
      const access = new TargetAccess({ session, target: own, credential: own.credential, upstreams, clock });
      way = { access, stops: stopsOf(session) };
      ways.set(session, way);
    }
    return { exchange, resource: own, session, access: way.access, stops: way.stops, gate, room };
  }

  return {
    protocol: 'http',
    async serve(exchange, gate) {
      try {
        await serveCall(await served(exchange, gate));
      } catch (error) {
        tell(exchange, error);
      }
    },
    async upgrade(exchange, client, gate) {
      try {
        await serveUpgrade(await served(exchange, gate), client);
      } catch (error) {
        tell(exchange, error);
      }
    },
  };
}

/** One listener for all exchanges of a session: a signal of its own for each costs more than a short answer. */
function stopsOf(session: Session): Stops {
  const stops: Stops = new Set();
  session.ended.addEventListener('abort', () => {
    for (const { stop, sink } of stops) {
      sink.cut();
      stop.abort(session.ended.reason);
    }
  });
  return stops;
}

/** In the words of the gateway: what was refused, by which policies, and where people were asked, by which request. */
function tell({ response }: WebExchange, error: unknown): void {
  if (!(error instanceof Refused)) {
    answerError(response, error);
    return;
  }
  const request = /: request ([a-z]{3}_[\w-]+)\.$/.exec(error.message)?.[1];
  answerError(response, error, { policies: error.policies, ...(request !== undefined && { request }) });
}
