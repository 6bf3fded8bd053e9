import type { Facts } from '../../proxy/contract/operation.ts';
import type { ApprovalTerms } from '../../proxy/contract/approval-request.ts';
import type { Caller } from '../../proxy/contract/principal.ts';
import type { Resource } from '../../proxy/contract/resource.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { Masked } from '../../proxy/pipeline/engine.ts';
import type { ApprovalPort, AuditPort, Decision, Ports } from '../../proxy/pipeline/ports.ts';

/** A log in memory whose durability the test moves by hand. */
export class MemoryAudit implements AuditPort {
  readonly events: Record<string, unknown>[] = [];
  readonly bodies: (string | undefined)[] = [];
  durable = 0;
  lost = false;
  /** acknowledge at once */
  automatic = true;
  readonly #listeners = new Set<(durable: number | null) => void>();
  readonly #waiters: { ticket: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  append(header: string, _phase: unknown, body?: { text: string }): number {
    if (this.lost) throw fail('ERR_AUDIT_UNAVAILABLE');
    this.events.push(JSON.parse(header) as Record<string, unknown>);
    this.bodies.push(body?.text);
    if (this.automatic)
      queueMicrotask(() => {
        this.sync();
      });
    return this.events.length;
  }

  sync(upTo = this.events.length): void {
    if (this.lost) return;
    this.durable = Math.max(this.durable, upTo);
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.ticket <= this.durable) waiter.resolve();
      else this.#waiters.push(waiter);
    }
    for (const listener of this.#listeners) listener(this.durable);
  }

  lose(): void {
    this.lost = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(fail('ERR_AUDIT_UNAVAILABLE'));
    for (const listener of this.#listeners) listener(null);
  }

  whenDurable(ticket: number): Promise<void> {
    if (ticket <= this.durable) return Promise.resolve();
    if (this.lost) return Promise.reject(fail('ERR_AUDIT_UNAVAILABLE'));
    return new Promise((resolve, reject) => this.#waiters.push({ ticket, resolve, reject }));
  }

  onWatermark(listener: (durable: number | null) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  codes(): string[] {
    return this.events.map((event) => String(event['code']));
  }
}

export const caller: Caller = {
  issuer: 'postern',
  subject: 'svc_toy',
  name: 'toy',
  kind: 'service-account',
  groups: [],
  granted: [],
  credential: 'tok_toy',
  method: 'scram-sha-256',
  resources: [],
  networks: [],
  expiresAt: Number.MAX_SAFE_INTEGER,
};

export const resource: Resource = {
  id: 'res_toy',
  name: 'toy',
  protocol: 'postgres',
  host: '127.0.0.1',
  port: 1,
  database: 'toy',
  account: 'app',
  secret: 'sec_toy',
  tls: { mode: 'disable' },
  listenPort: null,
  recording: { maxBytesPerOperation: 1024 },
  createdAt: '2026-01-01T00:00:00.000Z',
};

export function facts(template: string, effect: Facts['effect'] = 'read'): Facts {
  return {
    acts: [],
    effect,
    template,
    context: { kind: 'toy', statements: 1, has_where: false, tables: [], columns: [], functions: [], has_limit: false },
  };
}

const terms: ApprovalTerms = { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false };
const permit: Decision = { permitted: true, policies: ['all'], message: '', hint: '', policyVersion: 'v1' };

const nobody: ApprovalPort = {
  hold: () => ({ request: 'none', decided: Promise.resolve({ approved: false, why: 'nobody is there' }), withdraw: () => undefined }),
  claim: () => Promise.resolve({ request: 'none', approved: false }),
  whenDecided: () => Promise.resolve(),
  withdraw: () => undefined,
  recheck: () => undefined,
};

/** Ports whose policy permits all, refuses templates with `forbidden` and holds those with `held`. */
export function memoryPorts(audit: MemoryAudit, approval?: ApprovalPort): Ports & { recorded: string[] } {
  const recorded: string[] = [];
  const decide = (shape: Facts): Decision => {
    if (shape.template.includes('forbidden')) return { ...permit, permitted: false, policies: [], message: 'no policy permits it', hint: 'ask' };
    return shape.template.includes('held') ? { ...permit, approve: terms } : permit;
  };
  return {
    recorded,
    audit,
    identity: {
      scram: () => ({ salt: new Uint8Array(16), iterations: 4096, verify: () => ({ caller, serverSignature: new Uint8Array(32) }) }),
      bearer: (token) => Promise.resolve(token === 'good' ? { ...caller, method: 'bearer' } : { refused: 'unknown' }),
      revoked: () => null,
    },
    policy: { version: 'v1', scope: () => ({ decide, permits: () => permit, possible: (shape) => decide(shape).permitted }) },
    masking: {
      version: 1,
      compile: () => {
        let hidden = 0;
        return {
          rows: (chunk, walk) => {
            walk(chunk, (_column, start, end) => {
              hidden++;
              chunk.fill(0x2a, start, end);
            });
            return chunk as Masked;
          },
          ledger: () => ({ toy: hidden }),
        };
      },
      document: () => ({
        push: (chunk) => Buffer.from(chunk).fill(0x2a) as Uint8Array as Masked,
        end: () => new Uint8Array(0) as Masked,
        ledger: () => ({ toy: 1 }),
      }),
      text: (text) => text,
      hides: () => false,
      strays: () => null,
      command: (_resource, _facts, spans) => spans.map((span) => span.text).join(''),
      rendering: (_resource, _facts, spans) => ({ command: spans.map((span) => span.text).join(''), hidden: [] }),
    },
    recorder: {
      open: () => ({
        write: (kind, operation, bytes) => {
          recorded.push(`${kind} ${operation} ${Buffer.from(bytes).toString('latin1')}`);
          return true;
        },
        failed: new AbortController().signal,
        close: () => Promise.resolve({ root: '', chunks: 0, bytes: 0 }),
      }),
    },
    control: {
      open: () => Promise.resolve({ key: '', wrapped: '' }),
      lease: () => Promise.resolve({ account: 'app', password: 'secret', secretVersion: 1 }),
      ended: () => undefined,
    },
    approval: approval ?? nobody,
    resource: (name) => (name === 'toy' ? resource : null),
  };
}
