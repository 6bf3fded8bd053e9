import { X509Certificate, createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { Acting, Told } from '../approval/committing.ts';
import { RequestBook } from '../approval/request-book.ts';
import { SignIns } from '../approval/sign-in.ts';
import { Webhooks } from '../approval/webhooks.ts';
import type { AuditReader } from '../audit/reader.ts';
import type { Actor, EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { Changes } from '../control/changes.ts';
import type { ControlCaller } from '../control/context.ts';
import { personActor } from '../control/handlers/users.ts';
import type { ControlPorts, EnrolmentAddress } from '../control/ports.ts';
import { reasonOf } from '../lib/errors.ts';
import { systemClock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import { toBase64 } from '../proof/bytes.ts';
import { parseCheckpoint } from '../proof/checkpoint.ts';
import type { State } from '../store/state.ts';
import type { Vault } from '../vault/vault.ts';
import type { HeldRequests } from './control-gateways.ts';

export interface ApprovalParts {
  readonly state: State;
  readonly snapshot: () => Snapshot;
  readonly changes: Changes;
  readonly reader: AuditReader;
  readonly vault: Vault;
  /** origin of the log */
  readonly origin: string;
  /** who control itself is */
  readonly itself: Who;
  /** the gateways, which hold requests */
  readonly told: (told: Told) => void;
  readonly log: (line: string) => void;
}

interface Who {
  readonly actor: Actor;
  readonly origin: string;
}

const watchMs = 5_000;
const leaseMs = 60_000;

/** Everything of approvals in this process, put together. */
export class Approvals {
  readonly book: RequestBook;
  readonly signIns: SignIns;
  readonly webhooks: Webhooks;
  readonly held: HeldRequests;
  readonly #parts: ApprovalParts;
  readonly #watchers = new Set<() => void>();

  constructor(parts: ApprovalParts) {
    const { state, snapshot, changes, itself, log, origin } = parts;
    this.#parts = parts;
    this.webhooks = webhooksOf(parts);
    this.signIns = new SignIns({ clock: systemClock, service: origin, users: state.read.users });
    this.book = new RequestBook({
      clock: systemClock,
      state: state.read,
      snapshot,
      checkpoint: () => checkpointText(parts.reader),
      itself: { ...acting(changes, itself), commit: (code, change) => changes.commit(code, itself, change) },
      changed: this.tell,
      log,
    });
    this.held = heldRequests(this.book, changes);
  }

  /** Called while a change is being made: what it means for requests follows behind it. */
  policiesChanged(): void {
    void this.book.policiesChanged(this.#parts.snapshot().policies.version).catch((error: unknown) => {
      this.#parts.log(`requests under earlier policies could not be withdrawn: ${reasonOf(error)}`);
    });
  }

  readonly tell = (told: Told): void => {
    for (const wake of this.#watchers) wake();
    this.#parts.told(told);
    if ('request' in told) this.webhooks.tell(told.code, told.request);
    else this.webhooks.tell(told.code, told.grant);
  };

  /** Some changes are found out by reading the log again, so a watcher looks every few seconds anyway. */
  readonly nextRequestChange: ControlPorts['nextRequestChange'] = (signal) =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, watchMs);
      this.#watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });

  /** The person behind a token of a sign-in, with the roles they have now; null: it is none, or no longer. */
  authenticate(token: Secret<string>): ControlCaller | null {
    const found = this.signIns.find(token);
    if (found === null) return null;
    const { user, key, signedInAt } = found;
    const revoked = (): string | null => found.revoked();
    const end = (): void => {
      found.end();
    };
    return { actor: personActor(user, key), roles: ['approver', ...user.roles], revoked, signedInAt, end };
  }

  async stop(): Promise<void> {
    this.book.close();
    for (const wake of this.#watchers) wake();
    await this.webhooks.stop();
  }
}

function acting<C extends EventCode>(changes: Changes, who: Who): Acting<C> {
  return { exclusive: (work) => changes.exclusive(() => work((code, change) => changes.commit(code, who, change))) };
}

/** What a gateway asks is asked in the name of the caller it serves. */
function heldRequests(book: RequestBook, changes: Changes): HeldRequests {
  return {
    async create({ draft, ...unsigned }, gateway) {
      const { subject, principal } = draft;
      if (subject.kind !== 'operation') throw fail('ERR_INVALID_INPUT');
      const by = acting<'approval-request.created'>(changes, { actor: { ...principal, kind: 'service-account' }, origin: subject.origin });
      return (await book.create(draft, { gateway, ...unsigned }, by)).canonical;
    },
    use: (request, gateway) => book.use(request, gateway),
    async withdraw(request, reason) {
      await book.withdraw(request, reason);
    },
  };
}

function webhooksOf({ state, changes, vault, itself, log }: ApprovalParts): Webhooks {
  return new Webhooks({
    clock: systemClock,
    receivers: () => state.read.webhooks.all(),
    key: async ({ secret }) => {
      const holder = newId('hook');
      const version = state.read.secrets.find(secret)?.version;
      try {
        return (await vault.lease(secret, { holder, ttlMs: leaseMs, ...(version !== undefined && { version }) })).value;
      } finally {
        vault.release(holder);
      }
    },
    mask: maskText,
    givenUp: ({ webhook, event, delivery, error }) => {
      const fields = { affected: `webhook:${webhook.name}`, outcome: 'failure' as const, reason: `${event} ${delivery}: ${error}` };
      void changes.record('webhook.given-up', itself, fields).catch((fault: unknown) => {
        log(`webhook.given-up could not be recorded: ${reasonOf(fault)}`);
      });
    },
    log,
  });
}

/** Origin, size and root hash of the newest checkpoint; empty: there is none. */
async function checkpointText(reader: AuditReader): Promise<string> {
  const checkpoint = parseCheckpoint((await reader.sync()).split('\n\n')[0]?.concat('\n') ?? '');
  return checkpoint === null ? '' : `${checkpoint.origin} ${String(checkpoint.size)} ${toBase64(checkpoint.root)}`;
}

/** Where approvers enrol: the API's own address, and the last certificate of its chain, which issued the others. */
export function enrolmentAddress({ host, port, cert, origin }: { host: string; port: number; cert: string; origin: string }): EnrolmentAddress {
  const authority = cert.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)?.at(-1) ?? cert;
  const ca = createHash('sha256').update(new X509Certificate(authority).raw).digest('hex');
  // listening everywhere: this machine's name is in its certificate
  const name = host === '0.0.0.0' || host === '::' ? hostname().toLowerCase() : host;
  return { url: `https://${name.includes(':') ? `[${name}]` : name}:${String(port)}`, ca, service: origin };
}
