import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RequestDetails } from '../contract/api-approvals.ts';
import { visible } from './output.ts';
import { gutter, requestLine, requestText, shown, span, type Screen } from './request-text.ts';
import { pieces } from './sql-highlight.ts';

const created = '2026-05-01T10:00:00.000Z';
const now = Date.parse('2026-05-01T10:01:00.000Z');
const plain: Screen = { now, color: false, width: Infinity };
const ansi = /\u001b\[[0-9;]*m/g;

function detailsOf(command: string, change: Partial<RequestDetails> = {}): RequestDetails {
  return {
    request: {
      id: 'req_abc',
      status: 'pending',
      canonical: {
        v: 1,
        id: 'req_abc',
        principal: { issuer: 'postern', subject: 'svc_a', name: 'ci-runner', credential: 'tok_a' },
        subject: {
          kind: 'operation',
          resource: 'payments',
          account: 'app',
          database: 'payments',
          searchPath: '"$user", public',
          origin: '10.0.0.7',
          session: 'ses_a',
          command,
          hidden: [
            { position: 0, type: 'pan of cards.pan', mark: 'AAAAAAAA' },
            { position: 2, type: 'value', mark: 'BBBBBBBB' },
            { position: 3, type: 'value', mark: 'AAAAAAAA' },
          ],
          digest: 'd'.repeat(43),
          acts: ['sql:delete public.cards', 'sql:select public.orders'],
        },
        terms: { group: 'dba', needed: 2, mode: 'hold', expiresInSeconds: 600, risk: 'high', ownerDecides: false },
        policies: ['ask-dba'],
        policyVersion: 'v7',
        createdAt: created,
        expiresAt: '2026-05-01T10:10:00.000Z',
        nonce: 'n'.repeat(43),
        checkpoint: 'payments 42 root',
      },
      reason: 'clean\u001b[2J up',
      ticket: 'OPS-1',
      barred: [],
      gateway: 'gwy_a',
      decisions: [
        {
          request: 'req_abc',
          verdict: 'approve',
          approver: 'usr_a',
          human: 'ann@example.com',
          reason: 'seen',
          at: created,
          signature: { type: 'ed25519', key: 'key_a', signature: 's'.repeat(86) },
        },
      ],
      closedAt: null,
      closedReason: null,
    },
    because: [{ policy: 'ask-dba', text: 'deletes need two' }],
    history: { approved: 3, denied: 1, withdrawn: 0, expired: 0 },
    requester: { owner: 'Build team', purpose: 'Nightly report' },
    others: ['req_other'],
    rowEstimate: 12,
    may: { decide: true, why: '' },
    ...change,
  };
}

const sqlParts = fc.constantFrom(
  'select ',
  '* ',
  'FROM ',
  'public.cards',
  '"Cards"',
  ' WHERE ',
  '(',
  ')',
  ';',
  "'",
  "''",
  "E'\\",
  '"',
  '$$',
  '$a$',
  '/*',
  '*/',
  '--',
  '\n',
  '\r',
  '\t',
  ',',
  '.',
  'x',
  '1',
  'ORDER BY ',
  'update only ',
  'delete from ',
  '\u001b[31m',
  '\u202e',
  '\u200b',
  '\u00ad',
  '🙂',
  '漢字',
  '\ud800',
  '\udc00',
  '│',
  '┊',
  '\u0000',
  '\u2028',
);
const commands = fc.oneof(
  fc.array(sqlParts, { maxLength: 60 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
);

/** What stays of the command on the screen without colours and gutters. */
function readBack(text: string): string {
  const rows = text.replaceAll(ansi, '').replace(/\n$/, '').split('\n');
  return rows
    .map((row, index) => {
      expect(row.slice(0, 4)).toMatch(index === 0 ? /^ {2}│ $/ : /^ {2}[│┊] $/);
      return (index === 0 ? '' : row.startsWith('  │') ? '\n' : '') + row.slice(4);
    })
    .join('');
}

describe('the command on the screen', () => {
  test('neither emphasis nor wrapping changes or drops a character', () => {
    fc.assert(
      fc.property(commands, fc.boolean(), fc.constantFrom(1, 24, 40, 80, Infinity), (command, color, width) => {
        const text = gutter(command, ['sql:select public.cards'], { now, color, width });
        expect(readBack(text)).toBe(command.split('\n').map(shown).join('\n'));
        if (!color) expect(text).not.toMatch(ansi);
      }),
      { numRuns: 20_000 },
    );
  });

  test('pieces are the command again', () => {
    fc.assert(
      fc.property(commands, (command) => {
        expect(
          pieces(command, ['cards'])
            .map(({ text }) => text)
            .join(''),
        ).toBe(command);
      }),
      { numRuns: 20_000 },
    );
  });

  test('`shown` is `visible` where no character is without a shape', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(shown(text)).toBe(visible(text));
      }),
    );
    expect(shown('ca\u200brds\u00ad\u{e0041}\ud800')).toBe('ca\\u200brds\\u00ad\\u{e0041}\\u{d800}');
  });

  test('no row is wider than the screen, so that the terminal wraps nothing itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\u001b', '漢', '\n'), maxLength: 200 }), (command) => {
        for (const row of gutter(command, [], { now, color: false, width: 40 }).split('\n')) {
          expect(Array.from(row.slice(4)).reduce((sum, char) => sum + (/[ -~]/.test(char) ? 1 : 2), 0)).toBeLessThanOrEqual(36);
        }
      }),
    );
  });

  test('tables and conditions stand out, comments and literals do not begin them', () => {
    const emphasised = (command: string, kind: 'table' | 'where', tables: string[] = []): string =>
      pieces(command, tables)
        .filter(({ emphasis }) => emphasis === kind)
        .map(({ text }) => text)
        .join('');
    expect(emphasised('delete from only public."Cards" c where c.id = 1 returning c.id', 'table')).toBe('public."Cards"');
    expect(emphasised('delete from t where (a = 1 order by x) and b = 2 returning a', 'where')).toBe('where (a = 1 order by x) and b = 2 ');
    expect(emphasised('select (select 1 from a where x = 1), 2 from b', 'where')).toBe('where x = 1');
    expect(emphasised("select ' from x where y' -- from q where r\n/* from /* a */ where b */ from t", 'table')).toBe('t');
    expect(emphasised("select $f$ from x where $f$, E'\\' from y where' from t", 'where')).toBe('');
    expect(emphasised('select * from a, public.orders', 'table', ['public.orders'])).toBe('apublic.orders');
    expect(emphasised('update t set a = 1; select 2 for update', 'table')).toBe('t');
  });

  test('a command of the greatest length is quick, whatever it is made of', () => {
    for (const part of ["'", '"', '/*', '$$ ', '(', 'where ', 'a.', '\\', "E'\\"]) {
      const command = part.repeat(Math.floor(262_144 / part.length));
      const before = performance.now();
      expect(gutter(command, [], { now, color: true, width: 80 }).length).toBeGreaterThan(command.length);
      expect(performance.now() - before).toBeLessThan(5_000);
    }
  });
});

describe('a request', () => {
  test('shows everything that is signed, and what else an approver needs', () => {
    const text = requestText(detailsOf('delete from public.cards where id = <hidden>'), plain);
    for (const part of [
      'Request req_abc: pending, risk high',
      'in 9 min',
      'ci-runner (svc_a of postern, with tok_a)',
      'Build team',
      'Nightly report',
      'clean\\u001b[2J up',
      'OPS-1',
      '3 approved, 1 denied',
      '"$user", public',
      'sql:delete public.cards, sql:select public.orders',
      "about 12, by the target's own estimate",
      '  │ delete from public.cards where id = <hidden>\n',
      'ask-dba: deletes need two',
      '1 of 2 of dba',
      'approved by ann@example.com (usr_a)',
      'req_other',
      'You may decide.',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('\u001b');
  });

  test('hidden values have place, type and mark', () => {
    const text = requestText(detailsOf('select 1'), plain);
    expect(text).toMatch(/ 1 +pan of cards.pan +AAAAAAAA\n/);
    expect(text).toMatch(/ 4 +value +AAAAAAAA\n/);
    expect(text).toContain('Two requests with different marks have different values.');
  });

  test('on a terminal it has colours, and is the same without them', () => {
    const details = detailsOf('delete from public.cards\nwhere id = 1');
    const colored = requestText(details, { ...plain, color: true });
    expect(colored).toContain('\u001b[1;36mpublic.cards\u001b[0m');
    expect(colored.replaceAll(ansi, '')).toBe(requestText(details, plain));
  });

  test('an access names group and time; one line for a list drives no terminal', () => {
    const details = detailsOf('select\n1\u001b');
    const { request } = details;
    expect(requestLine(request)).toContain('payments/payments: select\\n1\\u001b');
    const access = { ...request, canonical: { ...request.canonical, subject: { kind: 'access' as const, joins: 'dba', seconds: 5_400 } } };
    expect(requestText({ ...details, request: access }, plain)).toContain('group dba');
    expect(requestLine(access)).toContain('join dba for 1 h 30 min');
  });

  test('spans', () => {
    expect([0, 59, 60, 3_661, 90_000].map(span)).toEqual(['0 s', '59 s', '1 min', '1 h 1 min', '1 d 1 h']);
  });
});
