import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApprovalRequest, ApprovalTerms, AskedRequest, CanonicalRequest } from '../contract/approval-request.ts';
import { fail } from '../contract/errors.ts';
import type { Approver } from '../contract/user.ts';
import type { ApprovalWanted } from '../pipeline/ports.ts';
import { decisionBytes } from '../proof/decision.ts';
import { GatewayRequests, type GatewayRequestsOptions } from './gateway-requests.ts';

const start = Date.UTC(2026, 0, 1);
const iso = (at: number): string => new Date(at).toISOString();
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const ann: Approver = {
  id: 'usr_ann',
  name: 'ann',
  human: 'ann@example.com',
  groups: ['dba'],
  disabled: false,
  key: { id: 'key_ann', algorithm: 'ed25519', publicKey: publicKey.export({ format: 'jwk' }).x ?? '', enrolledAt: iso(start) },
};

let now: number;
let approvers: Approver[];
let owner: string | null;
/** what control was asked to make, use up and take back */
let made: CanonicalRequest[];
let used: string[];
let withdrawn: string[];
let control: GatewayRequestsOptions['control'];
let requests: GatewayRequests;

/** What control makes of a draft. */
function canonicalOf({ draft }: AskedRequest): CanonicalRequest {
  const { expiresInSeconds } = draft.terms;
  return { v: 1, ...draft, createdAt: iso(now), expiresAt: iso(now + expiresInSeconds * 1_000), nonce: 'n'.repeat(43), checkpoint: '' };
}

beforeEach(() => {
  now = start;
  approvers = [ann];
  owner = 'olga@example.com';
  [made, used, withdrawn] = [[], [], []];
  control = {
    request: (asked) => {
      const canonical = canonicalOf(asked);
      made.push(canonical);
      return Promise.resolve(canonical);
    },
    use: (id) => {
      used.push(id);
      return Promise.resolve();
    },
    withdraw: (id, reason) => {
      withdrawn.push(`${id} ${reason}`);
      return Promise.resolve();
    },
  };
  requests = new GatewayRequests({ clock: { now: () => now }, control, approvers: () => approvers, owner: () => owner });
});

function wanted(text: string, terms: Partial<ApprovalTerms> = {}): ApprovalWanted {
  return {
    session: 'ses_abc',
    caller: {
      issuer: 'postern',
      subject: 'svc_ci',
      name: 'ci-runner',
      kind: 'service-account',
      groups: [],
      granted: [],
      credential: 'tok_a',
      method: 'bearer',
      resources: [],
      networks: [],
      expiresAt: Number.MAX_SAFE_INTEGER,
    },
    terms: { group: 'dba', needed: 1, mode: 'hold', expiresInSeconds: 60, risk: 'normal', ownerDecides: false, ...terms },
    policies: ['ask'],
    policyVersion: 'pol_a',
    resource: 'payments',
    account: 'app',
    database: 'shop',
    searchPath: 'public',
    origin: '127.0.0.1',
    // equal for commands that differ only in what is hidden
    command: 'delete from cards where pan = $hidden',
    hidden: [{ position: 0, type: 'text', value: text }],
    exact: [Buffer.from(text)],
    acts: ['sql:delete public.cards'],
    estimate: () => Promise.resolve(null),
  };
}

/** The newest request that control made. */
function newest(): CanonicalRequest {
  const canonical = made.at(-1);
  if (canonical === undefined) throw new Error('control was not asked');
  return canonical;
}

/** What control says once `ann` approved: `signedText` is what she was shown. */
function approvedBy(canonical: CanonicalRequest, { human, id, key }: Approver = ann, signedText = canonical): ApprovalRequest {
  const said = { verdict: 'approve', approver: id, human, reason: 'fine', at: iso(now) } as const;
  const signature = sign(null, decisionBytes({ request: signedText, ...said }), privateKey).toString('base64url');
  const decision = { request: canonical.id, ...said, signature: { type: 'ed25519', key: key?.id ?? '', signature } } as const;
  return {
    id: canonical.id,
    status: 'approved',
    canonical,
    reason: '',
    ticket: '',
    barred: [],
    gateway: 'g',
    decisions: [decision],
    closedAt: null,
    closedReason: null,
  };
}

/** Holds a command until control knows of it. */
async function held(want = wanted('4111')) {
  const hold = requests.hold(want);
  await new Promise((resolve) => setImmediate(resolve));
  return hold;
}

describe('a held command', () => {
  it('goes on after a signed approval that control recorded as used', async () => {
    const { request, decided } = await held();
    expect(newest().id).toBe(request);
    await requests.decided(approvedBy(newest()));
    expect([await decided, used, withdrawn]).toEqual([{ approved: true }, [request], []]);
  });

  it('does not go on when control does not record the use', async () => {
    control.use = () => Promise.reject(fail('ERR_AUDIT_UNAVAILABLE'));
    const { decided } = await held();
    await requests.decided(approvedBy(newest()));
    expect(await decided).toMatchObject({ approved: false });
  });

  it('does not go on by control’s word alone', async () => {
    const { decided } = await held();
    await requests.decided({ ...approvedBy(newest()), decisions: [] });
    expect([await decided, used]).toEqual([{ approved: false, why: '0 of 1 people approved.' }, []]);
  });

  it('does not go on when another text was signed', async () => {
    const { decided } = await held();
    const shown = { ...newest(), policies: ['harmless'] };
    await requests.decided(approvedBy(newest(), ann, shown));
    expect([await decided, used]).toEqual([{ approved: false, why: 'A signature does not hold.' }, []]);
  });

  it('does not go on when another request of the same id was signed and approved', async () => {
    const { decided } = await held();
    await requests.decided(approvedBy({ ...newest(), policies: ['harmless'] }));
    expect([await decided, used]).toEqual([{ approved: false, why: 'The approved request is not the one that was made.' }, []]);
  });

  it('is not asked about at all when control changes it, or lets it live longer', async () => {
    for (const change of [{ policies: ['harmless'] }, { expiresAt: iso(start + 61_000) }]) {
      control.request = (asked) => Promise.resolve({ ...canonicalOf(asked), ...change });
      expect(await (await held()).decided).toMatchObject({ approved: false });
    }
  });

  it('is not approved by its owner, unless policy lets them, or once its account is gone', async () => {
    owner = ' Ann@Example.com';
    const barred = await held();
    await requests.decided(approvedBy(newest()));
    expect(await barred.decided).toEqual({ approved: false, why: 'Nobody decides on their own request.' });
    const allowed = await held(wanted('4111', { ownerDecides: true }));
    await requests.decided(approvedBy(newest()));
    expect(await allowed.decided).toEqual({ approved: true });
    const orphan = await held();
    owner = null;
    await requests.decided(approvedBy(newest()));
    expect(await orphan.decided).toEqual({ approved: false, why: 'The service account is gone.' });
  });

  it('does not go on after its time, or with bytes that were changed since', async () => {
    const late = await held();
    const approval = approvedBy(newest());
    now += 60_000;
    await requests.decided(approval);
    expect(await late.decided).toEqual({ approved: false, why: 'The approval has expired.' });
    const want = wanted('4111');
    const changed = await held(want);
    want.exact[0]?.fill(0);
    await requests.decided(approvedBy(newest()));
    expect([await changed.decided, used]).toEqual([{ approved: false, why: 'The command was changed.' }, []]);
  });

  it('never goes on once it was withdrawn, not even while the use is being recorded', async () => {
    const hold = await held();
    const recording = Promise.withResolvers<undefined>();
    const using = vi.fn(() => recording.promise);
    control.use = using;
    const done = requests.decided(approvedBy(newest()));
    await expect.poll(() => using.mock.calls.length).toBe(1);
    hold.withdraw('Ctrl-C');
    recording.resolve(undefined);
    await done;
    expect([await hold.decided, withdrawn]).toEqual([{ approved: false, why: 'Ctrl-C' }, [`${hold.request} Ctrl-C`]]);
  });

  it('ends with the policies it was asked under, with control, and with its time', async () => {
    const first = await held();
    requests.recheck('pol_a');
    expect(withdrawn).toEqual([]);
    requests.recheck('pol_b');
    expect([await first.decided, withdrawn]).toEqual([{ approved: false, why: 'The policies were changed.' }, [`${first.request} The policies were changed.`]]);
    const second = await held();
    const approval = approvedBy(newest());
    requests.lost();
    await requests.decided(approval);
    expect([await second.decided, used]).toEqual([{ approved: false, why: 'The service was restarted; the request is void.' }, []]);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const third = await held();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(await third.decided).toEqual({ approved: false, why: 'Nobody decided in time.' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('is refused with the reason of who denied', async () => {
    const { decided } = await held();
    const { decisions, ...rest } = approvedBy(newest());
    await requests.decided({ ...rest, status: 'denied', decisions: decisions.map((one) => ({ ...one, verdict: 'deny', reason: 'not today' })) });
    expect(await decided).toEqual({ approved: false, why: 'Denied by ann@example.com: not today' });
  });
});

describe('a mark', () => {
  it('is equal for equal values, and shows nothing of them', async () => {
    for (const text of ['4111', '4111', '5500']) await held(wanted(text));
    const marks = made.map(({ subject }) => (subject.kind === 'operation' ? subject.hidden[0]?.mark : ''));
    expect([marks[0] === marks[1], marks[1] === marks[2]]).toEqual([true, false]);
    const digests = made.map(({ subject }) => (subject.kind === 'operation' ? subject.digest : ''));
    expect(new Set(digests).size).toBe(3);
    expect(JSON.stringify(made)).not.toContain('5500');
  });
});

describe('refuse-and-request', () => {
  const again = (text = '4111', more: Partial<ApprovalWanted> = {}) => requests.claim({ ...wanted(text, { mode: 'retry' }), ...more });

  it('runs the approved command once', async () => {
    const { request } = await again();
    expect(await again()).toEqual({ request, approved: false });
    await requests.decided(approvedBy(newest()));
    expect(used).toEqual([]);
    expect(await again()).toEqual({ request, approved: true });
    expect(used).toEqual([request]);
    const next = await again();
    expect([next.approved, next.request === request]).toEqual([false, false]);
  });

  it('runs it once when it is claimed twice at the same time', async () => {
    await again();
    await requests.decided(approvedBy(newest()));
    const both = await Promise.all([again(), again()]);
    expect(both.map(({ approved }) => approved)).toEqual([true, false]);
  });

  it('takes a command that only looks the same for another one', async () => {
    const { request } = await again('4111');
    await requests.decided(approvedBy(newest()));
    expect((await again('5500')).approved).toBe(false);
    for (const more of [{ searchPath: 'evil' }, { database: 'other' }, { account: 'root' }, { policyVersion: 'pol_b' }]) {
      expect((await again('4111', more)).approved).toBe(false);
    }
    const { caller } = wanted('4111');
    expect((await again('4111', { caller: { ...caller, subject: 'svc_other' } })).approved).toBe(false);
    expect(await again('4111')).toEqual({ request, approved: true });
  });

  it('looks at the approval once more when it is used', async () => {
    await again();
    await requests.decided(approvedBy(newest()));
    approvers = [{ ...ann, disabled: true }];
    await expect(again()).rejects.toMatchObject({ code: 'ERR_NOT_APPROVED' });
    expect(used).toEqual([]);
  });

  it('rejects when control cannot be asked, and asks anew later', async () => {
    vi.spyOn(control, 'request').mockRejectedValueOnce(fail('ERR_CONTROL_UNAVAILABLE'));
    await expect(again()).rejects.toMatchObject({ code: 'ERR_CONTROL_UNAVAILABLE' });
    expect((await again()).approved).toBe(false);
  });

  it('waits for at most a hundred commands of one principal', async () => {
    for (let count = 0; count < 100; count++) await again(String(count));
    await expect(again('more')).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
  });
});

describe('a caller who comes back', () => {
  const again = (text = '4111', more: Partial<ApprovalWanted> = {}) => requests.claim({ ...wanted(text), returns: true, ...more });
  const denied = (): ApprovalRequest => {
    const [decision] = approvedBy(newest()).decisions;
    if (decision === undefined) throw new Error('no decision');
    return { ...approvedBy(newest()), status: 'denied', decisions: [{ ...decision, verdict: 'deny', reason: 'not on a Friday' }] };
  };

  it('is told when people decided; nothing is used up before the command comes again, and then once', async () => {
    const { request, approved } = await again();
    expect(approved).toBe(false);
    let told = false;
    const waiting = requests.whenDecided(request).then(() => (told = true));
    await Promise.resolve();
    expect(told).toBe(false);
    await requests.decided(approvedBy(newest()));
    await waiting;
    expect(used).toEqual([]);
    expect(await again()).toEqual({ request, approved: true });
    expect((await again()).request).not.toBe(request);
    expect(used).toEqual([request]);
  });

  it('hears a denial once, also when nobody waited for it, and only about the same bytes', async () => {
    const { request } = await again();
    await requests.decided(denied());
    await requests.whenDecided(request);
    expect((await again('5500')).denied).toBeUndefined();
    expect(await again()).toEqual({ request, approved: false, denied: 'Denied by ann@example.com: not on a Friday' });
    expect((await again()).denied).toBeUndefined();
    expect(used).toEqual([]);
  });

  it('takes it back: an approval that comes later is void', async () => {
    const { request } = await again();
    requests.withdraw(request, 'The client disconnected.');
    await requests.decided(approvedBy(newest()));
    expect(withdrawn).toEqual([`${request} The client disconnected.`]);
    const next = await again();
    expect(next).toEqual({ request: next.request, approved: false });
    expect(next.request).not.toBe(request);
    expect(used).toEqual([]);
  });
});
