import { beforeEach, describe, expect, it } from 'vitest';
import type { RequestDetails } from '../../proxy/contract/api-approvals.ts';
import type { CanonicalRequest } from '../../proxy/contract/approval-request.ts';
import { Presenter, toastId, type Announced, type Command } from './presenter.ts';
import { digestOfShown } from './shown-request.ts';

const home = { id: 'abc', name: 'gate.example:8443' };
const from = Date.parse('2026-11-21T12:00:00Z');
const secret = "delete from cards where pan = '****'";

interface Given {
  readonly by?: string;
  readonly risk?: 'low' | 'normal' | 'high';
  readonly command?: string;
  readonly hidden?: boolean;
  readonly may?: boolean;
  readonly expiresInMs?: number;
  readonly ticket?: string;
}

function canonical(id: string, { by = 'ci', risk = 'low', command = secret, hidden = false, expiresInMs = 600_000 }: Given): CanonicalRequest {
  return {
    v: 1,
    id,
    principal: { issuer: 'postern', subject: `svc_${by}`, name: by, credential: 'tok_a' },
    subject: {
      kind: 'operation',
      resource: 'payments',
      account: 'app',
      database: 'bank',
      searchPath: 'public',
      origin: '127.0.0.1',
      session: 'ses_a',
      command,
      hidden: hidden ? [{ position: 1, type: 'literal', mark: 'AAAAAAAA' }] : [],
      digest: 'A'.repeat(43),
      acts: ['sql:select bank/cards', 'sql:delete bank/cards'],
    },
    terms: { group: 'approvers', needed: 1, mode: 'hold', expiresInSeconds: 600, risk, ownerDecides: false },
    policies: ['delete'],
    policyVersion: 'v1',
    createdAt: new Date(from).toISOString(),
    expiresAt: new Date(from + expiresInMs).toISOString(),
    nonce: 'A'.repeat(43),
    checkpoint: '',
  };
}

function waiting(id: string, given: Given = {}): Announced {
  const details: RequestDetails = {
    request: {
      id,
      status: 'pending',
      canonical: canonical(id, given),
      reason: 'drop table cards',
      ticket: given.ticket ?? '',
      barred: [],
      gateway: 'g',
      decisions: [],
      closedAt: null,
      closedReason: null,
    },
    because: [],
    history: { approved: 0, denied: 0, withdrawn: 0, expired: 0 },
    requester: null,
    others: [],
    rowEstimate: null,
    may: { decide: given.may ?? true, why: '' },
  };
  return { appliance: home, details };
}

let presenter: Presenter;
const screen = new Map<string, Extract<Command, { kind: 'show' }>['toast']>();
let count = 0;
let others: Command[] = [];

/** Does what is commanded to a screen of this test. */
function apply(commands: readonly Command[]): void {
  others = [];
  for (const command of commands) {
    if (command.kind === 'show') screen.set(command.toast.id, command.toast);
    else if (command.kind === 'withdraw') screen.delete(command.id);
    else if (command.kind === 'count') count = command.waiting;
    else others.push(command);
  }
}

const come = (id: string, given: Given = {}, at = from): void => {
  apply(presenter.pending([waiting(id, given)], at));
};
const titles = (): string[] => [...screen.values()].map(({ title }) => title);

beforeEach(() => {
  presenter = new Presenter();
  screen.clear();
  count = 0;
});

describe('a toast', () => {
  it('says who, what kind, where and until when, and nothing of the command or the requester’s prose', () => {
    come('req_a', { ticket: 'OPS-12' });
    const [toast] = screen.values();
    expect(toast?.title).toBe('ci asks for approval');
    expect(toast?.body).toContain('Wants to run a delete on payments.');
    expect(toast?.body).toContain('At gate.example:8443, until ');
    expect(toast?.body).toContain('Ticket OPS-12.');
    for (const word of ['cards', 'pan', 'drop', '****']) expect(JSON.stringify(toast)).not.toContain(word);
  });

  it('leaves out a ticket that is none', () => {
    come('req_a', { ticket: 'delete from cards' });
    expect(JSON.stringify([...screen.values()])).not.toContain('cards');
  });

  it.each([
    ['low', {}, 'approve'],
    ['normal', { risk: 'normal' as const }, 'review'],
    ['high', { risk: 'high' as const }, 'review'],
    ['long', { command: 'x'.repeat(201) }, 'review'],
    ['hidden', { hidden: true }, 'review'],
  ])('offers Approve only where nothing is left to look at: %s', (_, given, first) => {
    come('req_a', given);
    expect([...screen.values()][0]?.actions.map(({ key }) => key)).toEqual([first, 'deny']);
    apply(presenter.acted(toastId('abc', 'req_a'), 'approve', from));
    expect(others.some(({ kind }) => kind === 'decide')).toBe(first === 'approve');
  });

  it('names in a decision exactly what it was for', () => {
    come('req_a');
    apply(presenter.acted(toastId('abc', 'req_a'), 'deny', from));
    const shown = digestOfShown(canonical('req_a', {}));
    expect(others).toEqual([
      { kind: 'decide', decision: { appliance: 'abc', request: 'req_a', shown, verdict: 'deny', reason: 'denied from the notification' } },
    ]);
    expect(screen.size).toBe(0);
  });

  it('decides on what it said, whatever the service tells of that request later', () => {
    come('req_a', { command: 'delete from log' });
    come('req_a', { command: 'delete from cards', by: 'other' });
    apply(presenter.acted(toastId('abc', 'req_a'), 'approve', from));
    expect(others).toMatchObject([{ kind: 'decide', decision: { shown: digestOfShown(canonical('req_a', { command: 'delete from log' })) } }]);
  });

  it.each([
    ['sql:execute public.wipe', 'a function'],
    ['sql:utility', 'a utility command'],
    ['field:unmask bank/cards.pan', 'a read of unmasked fields'],
  ])('names the gravest of several acts: %s', (act, kind) => {
    const announced = waiting('req_a');
    const { request } = announced.details;
    const subject = { ...request.canonical.subject, acts: ['sql:select bank/cards', act] } as CanonicalRequest['subject'];
    apply(
      presenter.pending([{ ...announced, details: { ...announced.details, request: { ...request, canonical: { ...request.canonical, subject } } } }], from),
    );
    expect([...screen.values()][0]?.body).toContain(`Wants to run ${kind} on payments.`);
  });

  it('is not for what this person may not decide', () => {
    come('req_a', { may: false });
    expect([screen.size, count]).toEqual([0, 0]);
  });

  it('goes when the request is decided elsewhere, and a late click says so', () => {
    come('req_a');
    apply(presenter.closed('abc', { id: 'req_a', status: 'denied' }, from));
    expect([screen.size, count]).toEqual([0, 0]);
    apply(presenter.acted(toastId('abc', 'req_a'), 'approve', from));
    expect(others).toEqual([]);
    expect([...screen.values()]).toMatchObject([{ title: 'Nothing was decided', body: 'The request was already denied.' }]);
  });

  it('goes when the service no longer lists the request', () => {
    come('req_a');
    come('req_b', { by: 'other' });
    apply(presenter.only('other-service', new Set(), from));
    expect(screen.size).toBe(2);
    apply(presenter.only('abc', new Set(['req_b']), from));
    expect([titles(), count]).toEqual([['other asks for approval'], 1]);
  });

  it('goes when the request expires, though the service says nothing', () => {
    come('req_a', { expiresInMs: 10_000 });
    expect(presenter.wakeAt(from)).toBe(from + 10_000);
    apply(presenter.tick(from + 10_000));
    expect([screen.size, count]).toEqual([0, 0]);
  });

  it('is not shown for the request on the screen, and not again when the window goes', () => {
    apply(presenter.looking({ appliance: 'abc', request: 'req_a' }, from));
    come('req_a');
    expect([screen.size, count]).toEqual([0, 1]);
    apply(presenter.looking(null, from));
    expect(screen.size).toBe(0);
  });

  it('is not repeated when the request changes, or after it was put away', () => {
    come('req_a');
    apply(presenter.acted(toastId('abc', 'req_a'), 'closed', from));
    screen.clear();
    come('req_a');
    expect([screen.size, count]).toEqual([0, 1]);
  });
});

describe('many requests', () => {
  it('of one service leave room for those of others', () => {
    for (let made = 0; made < 1_100; made++) come(`req_${String(made)}`);
    expect(count).toBe(1_000);
    apply(presenter.pending([{ ...waiting('req_a'), appliance: { id: 'other', name: 'other' } }], from));
    expect(count).toBe(1_001);
  });

  it('are one summary above two, which counts down and goes', () => {
    come('req_a', { by: 'one' });
    come('req_b', { by: 'two' });
    expect(screen.size).toBe(2);
    come('req_c', { by: 'three' });
    expect(titles()).toEqual(['3 requests waiting']);
    apply(presenter.closed('abc', { id: 'req_a', status: 'approved' }, from));
    expect(titles()).toEqual(['2 requests waiting']);
    apply(presenter.acted('requests', 'default', from));
    expect(others).toEqual([{ kind: 'attend', wanted: { kind: 'inbox' } }]);
    expect([screen.size, count]).toEqual([0, 2]);
  });

  it('that waited already are one announcement', () => {
    apply(presenter.pending([waiting('req_a'), waiting('req_b'), waiting('req_c'), waiting('req_d')], from));
    expect(titles()).toEqual(['4 requests waiting']);
    apply(presenter.left('abc', from));
    expect([screen.size, count]).toEqual([0, 0]);
  });

  it('of one requester go quiet after two unanswered, for five minutes; the badge still counts', () => {
    for (const id of ['req_a', 'req_b', 'req_c', 'req_d']) {
      come(id, {}, from);
      apply(presenter.closed('abc', { id, status: 'withdrawn' }, from));
    }
    come('req_e', {}, from + 1_000);
    expect([screen.size, count]).toEqual([0, 1]);
    // others are not quiet
    come('req_f', { by: 'other' }, from + 1_000);
    expect(titles()).toEqual(['other asks for approval']);
    expect(presenter.wakeAt(from + 1_000)).toBe(from + 300_000);
    apply(presenter.tick(from + 300_000));
    expect(titles()).toEqual(['other asks for approval', 'ci asks for approval']);
  });

  it('of one requester that are answered are announced, however many', () => {
    for (const id of ['req_a', 'req_b', 'req_c', 'req_d']) {
      come(id);
      expect(screen.size).toBe(1);
      apply(presenter.acted(toastId('abc', id), 'deny', from));
      apply(presenter.closed('abc', { id, status: 'denied' }, from));
    }
  });
});

describe('the setting', () => {
  it('quiet gives one low summary, off gives the badge only', () => {
    apply(presenter.setting('quiet', from));
    come('req_a');
    expect([...screen.values()]).toMatchObject([{ title: '1 request waiting', urgency: 'low' }]);
    apply(presenter.setting('off', from));
    expect([screen.size, count]).toEqual([0, 1]);
    come('req_b', { by: 'other' });
    expect([screen.size, count]).toEqual([0, 2]);
    apply(presenter.setting('all', from));
    expect(titles()).toEqual(['other asks for approval']);
  });
});
