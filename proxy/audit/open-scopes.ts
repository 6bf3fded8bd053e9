import { z } from 'zod';
import type { EventHeader, Phase } from '../contract/audit-event.ts';
import { encodeHeader } from './event.ts';
import type { Batch } from './journal.ts';
import type { LogState, OpenScope } from './log-state.ts';

/** Newest durable ticket of each client, and the sessions and operations that have no end yet. */
export class OpenScopes {
  readonly #clients = new Map<string, number>();
  readonly #open = new Map<string, OpenScope>();

  constructor(state: Pick<LogState, 'clients' | 'open'>) {
    for (const [client, ticket] of Object.entries(state.clients)) this.#clients.set(client, ticket);
    for (const scope of state.open) this.#open.set(scope.id, scope);
  }

  /** Takes in a durable batch. Gives operations that their session's end left open. */
  apply(batch: Batch): OpenScope[] {
    const orphans: OpenScope[] = [];
    let base = batch.firstIndex;
    for (const chunk of batch.chunks) {
      this.#clients.delete(chunk.client);
      // the newest client last, for `forgetOldest`
      this.#clients.set(chunk.client, chunk.lastTicket);
      for (const { ordinal, phase } of chunk.marks) {
        if (phase.kind === 'open') {
          this.#open.set(phase.id, { client: chunk.client, scope: phase.scope, id: phase.id, session: phase.session, index: base + ordinal });
        } else {
          this.#open.delete(phase.id);
          if (phase.scope === 'session') orphans.push(...this.#of((scope) => scope.session === phase.id));
        }
      }
      base += chunk.count;
    }
    return orphans;
  }

  watermark(client: string): number {
    return this.#clients.get(client) ?? 0;
  }

  /** A client the log does not know says where it was. */
  adopt(client: string, acked: number): void {
    if (!this.#clients.has(client)) this.#clients.set(client, acked);
  }

  get clientsWithOpen(): Set<string> {
    return new Set(Array.from(this.#open.values(), ({ client }) => client));
  }

  /** Operations first, then their sessions. */
  ofClient(client: string): OpenScope[] {
    return this.#of((scope) => scope.client === client).sort((a, b) => Number(a.scope === 'session') - Number(b.scope === 'session'));
  }

  isOpen(id: string): boolean {
    return this.#open.has(id);
  }

  /** Keeps the newest `kept` clients; those with something open stay. */
  forgetOldest(kept: number, keep: (client: string) => boolean): void {
    const open = this.clientsWithOpen;
    for (const client of this.#clients.keys()) {
      if (this.#clients.size <= kept) return;
      if (!open.has(client) && !keep(client)) this.#clients.delete(client);
    }
  }

  toState(): Pick<LogState, 'clients' | 'open'> {
    return { clients: Object.fromEntries(this.#clients), open: [...this.#open.values()] };
  }

  #of(wanted: (scope: OpenScope) => boolean): OpenScope[] {
    return [...this.#open.values()].filter(wanted);
  }
}

const Opening = z.object({
  actor: z.object({
    issuer: z.string(),
    subject: z.string(),
    name: z.string(),
    kind: z.enum(['service-account', 'administrator', 'auditor', 'service', 'unknown']),
    credential: z.string(),
  }),
  origin: z.string(),
  affected: z.string(),
});

/** The end that nobody else can write any more: outcome `indeterminate`, and who it was about from the opening event. */
export function closing(scope: OpenScope, opening: string, at: { time: string; reason: string }): { header: string; phase: Phase } {
  const parsed = Opening.safeParse(asJson(opening));
  const about = parsed.success
    ? parsed.data
    : {
        actor: { issuer: 'postern', subject: 'unknown', name: 'unknown', kind: 'unknown', credential: 'none' } as const,
        origin: 'unknown',
        affected: 'unknown',
      };
  const header: EventHeader = {
    v: 1,
    code: scope.scope === 'session' ? 'session.ended' : 'operation.settled',
    at: at.time,
    ...about,
    outcome: 'indeterminate',
    session: scope.session,
    reason: at.reason,
    ...(scope.scope === 'operation' && { operation: scope.id }),
  };
  return { header: encodeHeader(header), phase: { kind: 'close', scope: scope.scope, id: scope.id, session: scope.session } };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
