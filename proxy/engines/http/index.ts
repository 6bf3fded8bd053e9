import { fail } from '../../contract/errors.ts';
import type { HttpResource } from '../../contract/resource.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import type { Gate, Session, WebBroker, WebExchange } from '../../pipeline/engine.ts';
import { answerError } from '../../wire/web/answer.ts';
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
  readonly gate: Gate;
  readonly room: BodyRoom;
}

const idleMs = 60_000;
const roomLimits = { total: 536_870_912, perOwner: 134_217_728 } as const;

/** HTTP APIs: see README.md for what passes, in which form, and how the rest fails. */
export function createHttpBroker({ upstreams, clock = systemClock }: HttpBrokerDeps): WebBroker {
  const accesses = new WeakMap<Session, TargetAccess>();
  const room = new BodyRoom(roomLimits);

  async function served(exchange: WebExchange, gate: Gate): Promise<Served> {
    const { resource, caller, request } = exchange;
    if (resource.protocol !== 'http') throw fail('ERR_RESOURCE_UNKNOWN');
    const session = await gate.share(caller, { resource: resource.name, key: '', applicationName: request.headers['user-agent'] ?? '', idleMs });
    // the session's own resource: what it was opened for is what it may reach
    const own = session.resource.protocol === 'http' ? session.resource : resource;
    let access = accesses.get(session);
    if (access === undefined) {
      access = new TargetAccess({ session, target: own, credential: own.credential, upstreams, clock });
      accesses.set(session, access);
    }
    return { exchange, resource: own, session, access, gate, room };
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

/** In the words of the gateway: what was refused, by which policies, and where people were asked, by which request. */
function tell({ response }: WebExchange, error: unknown): void {
  if (!(error instanceof Refused)) {
    answerError(response, error);
    return;
  }
  const request = /: request ([a-z]{3}_[\w-]+)\.$/.exec(error.message)?.[1];
  answerError(response, error, { policies: error.policies, ...(request !== undefined && { request }) });
}
