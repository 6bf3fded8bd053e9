import type { Webhook } from '../contract/webhook.ts';
import type { Notice, NoticeEvent } from './webhook-notice.ts';

const titles: Readonly<Record<NoticeEvent, string>> = {
  'approval-request.created': 'Approval is needed',
  'approval-request.decided': 'One approver approved; more are needed',
  'approval-request.approved': 'The request was approved',
  'approval-request.denied': 'The request was denied',
  'approval-request.expired': 'The request expired',
  'approval-request.withdrawn': 'The request was withdrawn',
  'approval-request.used': 'The approval was used',
  'grant.created': 'An access began',
  'grant.revoked': 'An access was revoked',
  'access.broke-glass': 'Break-glass: access was taken without approval',
  'break-glass.reviewed': 'A break-glass access was reviewed',
  'webhook.tested': 'Test message from Postern',
};

/** The JSON text of a notice as the receiver wants it. Every text in it goes through `mask` once more, as it will be read. */
export function bodyOf(notice: Notice, delivery: string, { format, mask }: Pick<Webhook, 'format'> & { mask: (text: string) => string }): string {
  const bodies = { json: jsonBody, slack: slackBody, teams: teamsBody };
  return JSON.stringify(bodies[format](notice, delivery), (_key, value: unknown) => (typeof value === 'string' ? mask(value) : value));
}

function jsonBody({ event, at, about }: Notice, delivery: string): object {
  return { v: 1, event, at, delivery, ...about };
}

/** Slack's incoming webhooks: `text` is the notification, the blocks are the message. Values are plain text: no mentions, no links, no formatting. */
function slackBody(notice: Notice): object {
  const title = titles[notice.event];
  const { facts, show } = readable(notice);
  const plain = (text: string): object => ({ type: 'plain_text', text: escaped(text), emoji: false });
  const mrkdwn = (text: string): object => ({ type: 'mrkdwn', text: escaped(text), verbatim: true });
  return {
    text: escaped([title, ...facts.slice(0, 2).map(([, value]) => value)].join(' – ')),
    blocks: [
      { type: 'section', text: mrkdwn(`*${title}*`) },
      { type: 'section', fields: facts.map(([name, value]) => plain(`${name}: ${value}`)) },
      { type: 'context', elements: [mrkdwn(`${notice.event} · \`${show}\``)] },
    ],
  };
}

/** An Adaptive Card, as workflows and incoming webhooks of Teams take it. Text runs know no Markdown; text blocks do, so they hold our own words only. */
function teamsBody(notice: Notice): object {
  const { facts, show } = readable(notice);
  const line = ([name, value]: Fact): object => ({
    type: 'RichTextBlock',
    spacing: 'Small',
    inlines: [
      { type: 'TextRun', text: `${name}: `, weight: 'Bolder' },
      { type: 'TextRun', text: value },
    ],
  });
  const content = {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.4',
    body: [
      { type: 'TextBlock', text: titles[notice.event], weight: 'Bolder', size: 'Medium', wrap: true },
      ...facts.map(line),
      { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: show, fontType: 'Monospace' }] },
    ],
  };
  return { type: 'message', attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', contentUrl: null, content }] };
}

type Fact = readonly [name: string, value: string];

/** At most ten facts: Slack takes no more fields. */
function readable({ at, about }: Notice): { facts: readonly Fact[]; show: string } {
  if ('test' in about) return { facts: [['Sent', at]], show: 'postern webhook list' };
  if ('grant' in about) {
    const { principal, group, request, expiresAt, id, show } = about.grant;
    const facts: Fact[] = [
      ['Principal', principal],
      ['Group', group],
      ['Grant', id],
      ['Request', request ?? 'none: break-glass'],
      ['Until', expiresAt],
    ];
    return { facts, show };
  }
  const { principal, resource, joins, group, needed, risk, status, expiresAt, id, show } = about.request;
  const facts: Fact[] = [
    ['Principal', principal],
    resource === null ? ['Joins', joins ?? ''] : ['Resource', resource],
    ['Approvers', `${String(needed)} of ${group}`],
    ['Risk', risk],
    ['Status', status],
    ['Until', expiresAt],
    ['Request', id],
  ];
  return { facts, show };
}

/** The three characters that Slack reads as control characters. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
