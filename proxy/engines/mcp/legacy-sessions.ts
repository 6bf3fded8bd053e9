import { randomBytes } from 'node:crypto';
import type { McpResource } from '../../contract/resource.ts';
import type { Caller } from '../../contract/principal.ts';
import type { Gate, Session } from '../../pipeline/engine.ts';

interface Known {
  readonly id: string;
  /** who may use it; the id alone lets nobody in */
  readonly owner: string;
  readonly resource: string;
  session: Session | null;
}

const maxSessions = 10_000;
/** of one caller at one server */
const maxOwned = 64;
/** where each is a process or a connection of its own */
const maxOwnedChannels = 8;
export const legacyIdleMs = 1_800_000;

/** The sessions of the era that has them: ids of ours, each bound to one caller and one server. */
export class LegacySessions {
  readonly #known = new Map<string, Known>();

  /** A new id, to be opened by `session`. Where a caller has too many, the one unused for longest ends. */
  begin(caller: Caller, resource: McpResource): string {
    const owner = ownerOf(caller);
    const isChannel = resource.upstream.transport === 'stdio' || resource.upstream.transport === 'sse';
    const owned = [...this.#known.values()].filter((each) => each.owner === owner && each.resource === resource.id);
    if (owned.length >= (isChannel ? maxOwnedChannels : maxOwned)) this.#end(owned[0], 'replaced by newer sessions');
    if (this.#known.size >= maxSessions) this.#end(this.#known.values().next().value, 'too many sessions');
    const id = randomBytes(32).toString('base64url');
    this.#known.set(id, { id, owner, resource: resource.id, session: null });
    return id;
  }

  /** Null: there is no such session of this caller here. Throws what opening throws. */
  async session(id: string, given: { caller: Caller; resource: McpResource; gate: Gate; applicationName: string }): Promise<Session | null> {
    const { caller, resource, gate, applicationName } = given;
    const known = this.#known.get(id);
    if (known?.owner !== ownerOf(caller) || known.resource !== resource.id) return null;
    const session = await gate.share(caller, { resource: resource.name, key: id, applicationName, idleMs: legacyIdleMs }).catch((error: unknown) => {
      // who is turned away leaves nothing that could crowd out the sessions of others
      if (known.session === null) this.#known.delete(id);
      throw error;
    });
    if (known.session === null) this.#adopt(known, session);
    // what it rested on is gone: another connection to the server knows nothing of it
    if (known.session !== session) this.#end(known, 'replaced');
    // the most recently used is the last
    if (!this.#known.delete(id)) return null;
    this.#known.set(id, known);
    return session;
  }

  end(id: string, reason: string): void {
    this.#end(this.#known.get(id), reason);
  }

  #adopt(known: Known, session: Session): void {
    known.session = session;
    const forget = (): void => {
      this.#known.delete(known.id);
    };
    session.ended.addEventListener('abort', forget, { once: true });
    if (session.ended.aborted) forget();
  }

  #end(known: Known | undefined, reason: string): void {
    if (known === undefined) return;
    this.#known.delete(known.id);
    void known.session?.close(reason);
  }
}

function ownerOf({ issuer, subject, credential }: Caller): string {
  return JSON.stringify([issuer, subject, credential]);
}
