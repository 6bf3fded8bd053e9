import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Act } from '../../proxy/contract/operation.ts';
import type { Caller } from '../../proxy/contract/principal.ts';
import { type PostgresResource, Resource } from '../../proxy/contract/resource.ts';
import type { Admission, Denial, EngineLimits, Gate, Masked, Operation, Permit, Refusal, Session, Sink } from '../../proxy/pipeline/engine.ts';
import type { Shape } from '../../proxy/contract/shape.ts';
import type { AppError } from '../../proxy/lib/errors.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import type { ErrorCode } from '../../proxy/contract/errors.ts';
import { fail } from '../../proxy/contract/errors.ts';

/** What a permissive gate may be told to do otherwise. */
export interface GateOptions {
  readonly target: { host: string; port: number; database: string; account: string; password: string; tls?: PostgresResource['tls'] };
  readonly tls?: Gate['tls'];
  readonly limits?: Partial<EngineLimits>;
  /** refuse when it returns a message */
  readonly refuses?: (operation: Operation) => string | null;
  /** the promise a permit waits for */
  readonly forwardable?: (operation: Operation) => true | Promise<void>;
  /** null: not held */
  readonly holds?: (operation: Operation) => { decided: Promise<boolean> } | null;
  /** masks text of rows, in place, by column name; errors and notices by `maskText` */
  readonly maskColumn?: (shape: Shape, column: number) => boolean;
  readonly maskText?: (text: string) => string;
  readonly user?: string;
  readonly token?: string;
}

/** One thing that happened, in order. */
export type Happening =
  | { readonly what: 'submit'; readonly template: string; readonly acts: readonly Act[]; readonly shown: string; readonly bytes: number }
  | { readonly what: 'check'; readonly acts: readonly Act[] }
  | { readonly what: 'refuse'; readonly refusal: Refusal }
  | { readonly what: 'settle'; readonly status: string; readonly rows: number; readonly error?: string }
  | { readonly what: 'close'; readonly reason: string };

export interface PermissiveGate extends Gate {
  readonly happenings: Happening[];
  readonly shapes: Shape[];
  readonly released: Uint8Array[];
  readonly sessions: FakeSession[];
}

export interface FakeSession extends Session {
  end(reason: AppError<ErrorCode>): void;
}

const iterations = 4096;
const x = 'x'.charCodeAt(0);

/** Forwards everything, masks nothing, remembers all: the engine's contract without a pipeline. */
export function permissiveGate(options: GateOptions): PermissiveGate {
  const cancels = new Map<string, () => void>();
  const happenings: Happening[] = [];
  const shapes: Shape[] = [];
  const released: Uint8Array[] = [];
  const sessions: FakeSession[] = [];
  const state = { options, cancels, happenings, shapes, released };
  const limits = { maxHandshakeBytes: 10_000, maxMessageBytes: 16_777_216, handshakeTimeoutMs: 5000, highWaterBytes: 1_048_576, ...options.limits };
  return {
    pinned: null,
    tls: options.tls ?? null,
    limits,
    names: [],
    identify: { scram: (user) => scramExchange(user, options), bearer: () => Promise.resolve(null) },
    open: (caller, wants, sink) => {
      const session = fakeSession(state, caller, sink);
      sessions.push(session);
      return wants.database === 'nowhere' ? Promise.reject(fail('ERR_RESOURCE_UNKNOWN')) : Promise.resolve(session);
    },
    share: () => Promise.reject(fail('ERR_RESOURCE_UNKNOWN')),
    resource: () => null,
    turnedAway: () => Promise.resolve(),
    cancel: (key) => cancels.get(Buffer.from(key).toString('hex'))?.(),
    happenings,
    shapes,
    released,
    sessions,
  };
}

function scramExchange(user: string, options: GateOptions): ReturnType<Gate['identify']['scram']> {
  const salt = createHash('sha256').update(user).digest().subarray(0, 16);
  return {
    salt,
    iterations,
    verify: (authMessage, clientProof) => {
      const salted = pbkdf2Sync(options.token ?? 'token', salt, iterations, 32, 'sha256');
      const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();
      const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest();
      const signature = hmac(stored, authMessage);
      const client = Buffer.from(clientProof.map((byte, at) => byte ^ (signature[at] ?? 0)));
      const matches = timingSafeEqual(createHash('sha256').update(client).digest(), stored) && user === (options.user ?? 'alice');
      return Promise.resolve(matches ? { caller: callerNamed(user), serverSignature: hmac(hmac(salted, 'Server Key'), authMessage) } : null);
    },
  };
}

function callerNamed(name: string): Caller {
  return {
    issuer: 'postern',
    subject: `svc_${name}`,
    name,
    kind: 'service-account',
    groups: [],
    granted: [],
    credential: 'tok_x',
    method: 'scram-sha-256',
    resources: [],
    networks: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
  };
}

interface State {
  readonly options: GateOptions;
  readonly cancels: Map<string, () => void>;
  readonly happenings: Happening[];
  readonly shapes: Shape[];
  readonly released: Uint8Array[];
}

function denial(code: ErrorCode, message: string): Denial {
  return { code, message, hint: 'ask the administrator', policies: ['test-policy'] };
}

function shownText(operation: Operation): string {
  return operation
    .shown()
    .map((span) => (span.kind === 'value' ? `‹${span.text}›` : span.text))
    .join('');
}

function fakeSession(state: State, caller: Caller, sink: Sink): FakeSession {
  const { options, happenings } = state;
  const { target } = options;
  const ended = new AbortController();
  const key = randomBytes(8);
  const admit = (operation: Operation): Admission => {
    const refused = options.refuses?.(operation) ?? null;
    if (refused !== null) return { verdict: 'refused', denial: denial('ERR_ACCESS_DENIED', refused) };
    return { verdict: 'forward', permit: fakePermit(state, operation, sink) };
  };
  return {
    id: 'ses_test',
    caller,
    resource: Resource.parse({
      id: 'res_test',
      name: 'bank',
      protocol: 'postgres',
      host: target.host,
      port: target.port,
      database: target.database,
      account: target.account,
      secret: 'sec_x',
      tls: target.tls ?? { mode: 'disable' },
      listenPort: null,
      recording: { maxBytesPerOperation: 1000 },
      createdAt: '2026-01-01T00:00:00Z',
    }),
    database: target.database,
    ended: ended.signal,
    end: (reason) => {
      ended.abort(reason);
    },
    lease: (use) => use({ account: target.account, password: new Secret(target.password), version: 1 }),
    conceal: () => undefined,
    possible: () => true,
    cancellation: (cancel) => {
      state.cancels.set(key.toString('hex'), cancel);
      return key;
    },
    submit: (operation) => {
      happenings.push({
        what: 'submit',
        template: operation.facts.template,
        acts: operation.facts.acts,
        shown: shownText(operation),
        bytes: operation.exact.reduce((sum, one) => sum + one.length, 0),
      });
      const held = options.holds?.(operation) ?? null;
      if (held === null) return admit(operation);
      const withdrawn = Promise.withResolvers<boolean>();
      const kept = { ...operation, facts: operation.facts, by: operation.by, shown: () => [], exact: operation.exact.map((bytes) => new Uint8Array(bytes)) };
      const decided = Promise.race([held.decided, withdrawn.promise]).then(
        (approved): Admission => (approved ? admit(kept) : { verdict: 'refused', denial: denial('ERR_ACCESS_DENIED', 'The request was not approved.') }),
      );
      return {
        verdict: 'held',
        request: 'req_a',
        by: '1 of group dba',
        decided,
        withdraw: () => {
          withdrawn.resolve(false);
        },
      };
    },
    check: (operation) => {
      happenings.push({ what: 'check', acts: operation.facts.acts });
      const refused = options.refuses?.(operation) ?? null;
      return refused === null ? null : denial('ERR_ACCESS_DENIED', refused);
    },
    refuse: (refusal) => {
      happenings.push({ what: 'refuse', refusal });
      return denial(refusal.code, refusal.message ?? fail(refusal.code).message);
    },
    reply: (frame) => sink.write(frame),
    mask: (text) => options.maskText?.(text) ?? text,
    hides: () => false,
    close: (reason) => {
      happenings.push({ what: 'close', reason });
      return Promise.resolve();
    },
  };
}

function fakePermit(state: State, operation: Operation, sink: Sink): Permit {
  const { options, happenings, shapes, released } = state;
  let exact: readonly Uint8Array[] | null = operation.exact;
  const forwardable = options.forwardable?.(operation) ?? true;
  if (forwardable !== true) exact = exact.map((bytes) => new Uint8Array(bytes));
  return {
    operation: 'opr_test',
    forwardable,
    spend: () => {
      const bytes = exact;
      exact = null;
      if (bytes === null) throw fail('ERR_PERMIT_SPENT');
      return bytes;
    },
    masker: (shape) => {
      shapes.push(shape);
      const masked = shape.columns.map((_column, index) => options.maskColumn?.(shape, index) ?? false);
      if (shape.columns.some((column, index) => masked[index] === true && column.encoding === 'binary')) throw fail('ERR_MASKED_BINARY');
      return {
        rows: (chunk, walk) => {
          walk(chunk, (column, start, end) => {
            if (masked[column] === true) chunk.fill(x, start, end);
          });
          // the fake is the only masker here
          return chunk as Masked;
        },
      };
    },
    document: () => {
      throw fail('ERR_MASKING_FAILED');
    },
    input: () => true,
    note: () => true,
    release: (chunk) => {
      if (released.length < 64) released.push(new Uint8Array(chunk));
      return sink.write(chunk);
    },
    settle: (outcome) => {
      happenings.push({ what: 'settle', ...outcome });
    },
  };
}
