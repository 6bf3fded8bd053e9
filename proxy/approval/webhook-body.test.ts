import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allPans } from '../../test/support/masking-cases.ts';
import type { ApprovalRequest } from '../contract/approval-request.ts';
import { maskText } from '../masking/text.ts';
import { bodyOf } from './webhook-body.ts';
import { accessOf, command, grantOf, mark, requestOf } from './webhook-cases.fake.ts';
import { aboutGrant, aboutRequest, type Notice } from './webhook-notice.ts';

const formats = ['json', 'slack', 'teams'] as const;
const at = '2026-03-01T09:00:01.000Z';

const noticeOf = (request: ApprovalRequest): Notice => ({ event: 'approval-request.created', at, about: aboutRequest(request, maskText) });
const textOf = (notice: Notice, format: (typeof formats)[number]): string => bodyOf(notice, 'msg_abc', { format, mask: maskText });

function bodies(request: ApprovalRequest): string[] {
  return formats.map((format) => textOf(noticeOf(request), format));
}

/** Every text of a JSON document. */
function leaves(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [];
}

describe('what a receiver learns', () => {
  it('of a request: these members and no others', () => {
    const request = requestOf();
    expect(JSON.parse(textOf(noticeOf(request), 'json'))).toStrictEqual({
      v: 1,
      event: 'approval-request.created',
      at,
      delivery: 'msg_abc',
      request: {
        id: request.id,
        status: 'pending',
        principal: 'billing',
        resource: 'payments',
        joins: null,
        group: 'dba',
        needed: 2,
        risk: 'normal',
        expiresAt: '2026-03-01T09:10:00.000Z',
        show: `postern requests show ${request.id}`,
      },
    });
  });

  it('of an access: the group that is joined', () => {
    expect(JSON.parse(textOf(noticeOf(accessOf()), 'json'))).toMatchObject({ request: { resource: null, joins: 'night-shift' } });
    expect(textOf(noticeOf(accessOf()), 'slack')).toContain('Joins: night-shift');
  });

  it('of break-glass: who, which group, and that it must be reviewed', () => {
    const grant = grantOf();
    const notice: Notice = { event: 'access.broke-glass', at, about: aboutGrant(grant, maskText) };
    expect(JSON.parse(textOf(notice, 'json'))).toStrictEqual({
      v: 1,
      event: 'access.broke-glass',
      at,
      delivery: 'msg_abc',
      grant: {
        id: grant.id,
        principal: 'billing',
        group: 'night-shift',
        request: null,
        expiresAt: grant.expiresAt,
        show: `postern access review ${grant.id}`,
      },
    });
    for (const format of formats) expect(textOf(notice, format)).not.toContain(grant.reason);
  });

  it('nothing of the command, its values and marks, the database, or the requester’s words', () => {
    const request = requestOf({ reason: 'becauseisaidso', ticket: 'TICKET-77' });
    const secrets = [command, 'update', 'Marple', mark, 'paymentsdb', 'app_writer', 'secretschema', '10.0.0.9', 'becauseisaidso', 'TICKET-77', 'a'.repeat(43)];
    for (const body of bodies(request)) for (const secret of secrets) expect(body).not.toContain(secret);
  });

  it('no card number, wherever somebody wrote one', () => {
    const separator = fc.constantFrom('', ' ', '-', '.', '\u200b', '\u00ad', '\u00a0');
    const card = fc.tuple(fc.constantFrom(...allPans.filter((pan) => pan.length === 16)), separator).map(([pan, by]) => (pan.match(/.{4}/g) ?? []).join(by));
    const words = fc.tuple(fc.string({ maxLength: 40 }), card, fc.string({ maxLength: 40 })).map(([before, pan, after]) => `${before} ${pan} ${after}`);
    const place = fc.constantFrom('reason', 'ticket', 'principal', 'resource', 'command');
    fc.assert(
      fc.property(words, place, card, (text, where, pan) => {
        const written = allPans.filter((known) => `${text} ${pan}`.replaceAll(/\D/g, '').includes(known));
        for (const body of bodies(requestOf({ reason: pan, [where]: text }))) {
          for (const leaf of leaves(JSON.parse(body))) {
            expect(maskText(leaf)).toBe(leaf);
            for (const known of written) expect(leaf.replaceAll(/\D/g, '')).not.toContain(known);
          }
          if (where === 'command') expect(body).not.toContain(JSON.stringify(text).slice(1, -1));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the formats', () => {
  it('Slack: control characters are escaped, values are plain text', () => {
    const body = JSON.parse(textOf(noticeOf(requestOf({ principal: '<!channel> & *x*' })), 'slack')) as {
      text: string;
      blocks: { type: string; fields?: { type: string; text: string }[] }[];
    };
    expect(body.text).toContain('&lt;!channel&gt; &amp; *x*');
    expect(body.blocks.map(({ type }) => type)).toStrictEqual(['section', 'section', 'context']);
    const fields = body.blocks[1]?.fields ?? [];
    expect(fields[0]).toStrictEqual({ type: 'plain_text', text: 'Principal: &lt;!channel&gt; &amp; *x*', emoji: false });
    expect(fields.length).toBeLessThanOrEqual(10);
    for (const leaf of leaves(body)) expect(leaf).not.toMatch(/[<>]/);
  });

  it('Slack: the longest names stay within its limits', () => {
    const long = '&'.repeat(200);
    const body = JSON.parse(textOf(noticeOf(requestOf({ principal: long, resource: long })), 'slack')) as object;
    for (const leaf of leaves(body)) expect(leaf.length).toBeLessThanOrEqual(2_050);
    const { blocks } = body as { blocks: { fields?: { text: string }[] }[] };
    for (const { text } of blocks[1]?.fields ?? []) expect(text.length).toBeLessThanOrEqual(2_000);
  });

  it('Teams: an Adaptive Card; what others wrote never stands where Markdown is read', () => {
    const body = JSON.parse(textOf(noticeOf(requestOf({ principal: '[click](https://evil.example)' })), 'teams')) as {
      type: string;
      attachments: { contentType: string; contentUrl: null; content: { type: string; version: string; body: { type: string; text?: string }[] } }[];
    };
    expect(body.type).toBe('message');
    const [card] = body.attachments;
    expect(card).toMatchObject({ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content: { type: 'AdaptiveCard', version: '1.4' } });
    const blocks = card?.content.body ?? [];
    for (const block of blocks.filter(({ type }) => type === 'TextBlock')) expect(block.text).not.toContain('click');
    expect(leaves(blocks)).toContain('[click](https://evil.example)');
  });

  it('control and direction characters of names become spaces', () => {
    for (const body of bodies(requestOf({ principal: 'a\u202eb\nc\u0000d' }))) expect(body).toContain('a b c d');
  });
});
