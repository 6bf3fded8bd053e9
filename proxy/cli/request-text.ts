import type { RequestDetails, RequestView } from '../contract/api-approvals.ts';
import type { CanonicalRequest, HiddenValue, SignedDecision } from '../contract/approval-request.ts';
import { table, visible } from './output.ts';
import { pieces, type Emphasis } from './sql-highlight.ts';

export interface Screen {
  /** milliseconds since the Unix epoch */
  readonly now: number;
  /** ANSI colours: for terminals only */
  readonly color: boolean;
  /** columns; Infinity: nothing is wrapped */
  readonly width: number;
}

type Operation = Extract<CanonicalRequest['subject'], { kind: 'operation' }>;
type Style = Emphasis | 'escape' | 'strong';

// bold cyan, yellow, reverse, bold
const codes: Record<Style, string> = { plain: '', table: '\u001b[1;36m', where: '\u001b[33m', escape: '\u001b[7m', strong: '\u001b[1m' };
const reset = '\u001b[0m';

/** `visible`, and the characters that have no shape of their own: soft hyphens, joiners, tags, private use, lone surrogates. */
export function shown(text: string): string {
  return visible(text).replaceAll(
    /[\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u00a0\u034f\u115f\u1160\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** All that an approver decides on, whole. */
export function requestText(details: RequestDetails, screen: Screen): string {
  const { request, because, others, may } = details;
  const { canonical } = request;
  const { subject } = canonical;
  return [
    `${paint(`Request ${request.id}: ${request.status}`, 'strong', screen.color)}, risk ${canonical.terms.risk}\n`,
    rows({ asked: canonical.createdAt, expires: expiryText(request, screen.now), checkpoint: canonical.checkpoint === '' ? 'none yet' : canonical.checkpoint }),
    section('Who asks', whoText(details)),
    section(
      'What for',
      subject.kind === 'operation' ? operationText(subject, details.rowEstimate) : rows({ joins: `group ${subject.joins}`, for: span(subject.seconds) }),
    ),
    ...(subject.kind === 'operation' ? [commandText(subject, screen), hiddenText(subject.hidden)] : []),
    section(
      'Why policy asks',
      `${because.map(({ policy, text }) => `  ${shown(policy)}: ${shown(text)}\n`).join('')}  policies ${shown(canonical.policyVersion)}\n`,
    ),
    section(`Decisions: ${approvals(request)}`, decisionsText(request)),
    ...(others.length === 0 ? [] : [section('Also waiting, of the same requester or session', `  ${others.map(shown).join(' ')}\n`)]),
    `\nYou may ${may.decide ? 'decide' : 'not decide'}${may.why === '' ? '.' : `: ${shown(may.why)}`}\n`,
  ].join('');
}

/** One line for a list or a stream. */
export function requestLine(request: RequestView): string {
  return requestCells(request).map(shown).join('  ');
}

export const requestHead = ['REQUEST', 'STATUS', 'RISK', 'WHO', 'DECISIONS', 'EXPIRES', 'WHAT'] as const;

export function requestCells(request: RequestView): string[] {
  const { id, status, canonical } = request;
  return [id, status, canonical.terms.risk, canonical.principal.name, approvals(request), canonical.expiresAt, summary(canonical)];
}

const maxSummaryChars = 80;

function summary({ subject }: CanonicalRequest): string {
  if (subject.kind === 'access') return `join ${subject.joins} for ${span(subject.seconds)}`;
  const command = subject.command.length > maxSummaryChars ? `${subject.command.slice(0, maxSummaryChars)}…` : subject.command;
  return `${subject.resource}/${subject.database}: ${command}`;
}

function approvals({ decisions, canonical: { terms } }: RequestView): string {
  const approved = decisions.filter(({ verdict }) => verdict === 'approve').length;
  return `${String(approved)} of ${String(terms.needed)} of ${terms.group}`;
}

function whoText({ request, requester, history }: RequestDetails): string {
  const { principal } = request.canonical;
  const earlier = Object.entries(history).map(([end, count]) => `${String(count)} ${end}`);
  return rows({
    principal: `${principal.name} (${principal.subject} of ${principal.issuer}, with ${principal.credential})`,
    owner: requester?.owner ?? 'unknown',
    purpose: requester?.purpose ?? 'unknown',
    'says (not signed)': request.reason === '' ? 'nothing' : request.reason,
    'ticket (not signed)': request.ticket === '' ? 'none' : request.ticket,
    'earlier requests': earlier.join(', '),
  });
}

function operationText(subject: Operation, rowEstimate: number | null): string {
  return rows({
    resource: subject.resource,
    database: subject.database,
    account: subject.account,
    'search path': subject.searchPath,
    from: subject.origin,
    session: subject.session,
    does: subject.acts.join(', '),
    'rows touched': rowEstimate === null ? 'unknown' : `about ${String(rowEstimate)}, by the target's own estimate`,
  });
}

function commandText({ command, acts }: Operation, screen: Screen): string {
  const size = `${String(command.length)} characters, ${String(command.split('\n').length)} lines`;
  return `\nThe whole command, masked (${size}):\n${gutter(command, acts, screen)}`;
}

const lineGutter = '  │ ';
const moreGutter = '  ┊ ';

/**
 * The command behind a gutter that nothing of it can leave: `│` begins a line of it, `┊` goes on with one that is wider than the
 * screen. Without gutters and colours it is `shown` of each of its lines.
 */
export function gutter(command: string, acts: readonly string[], { color, width }: Screen): string {
  const lines = new Lines(color, Math.max(width - lineGutter.length, 20));
  for (const { text, emphasis } of pieces(command, acts.map(objectOf))) {
    for (const char of text) {
      if (char === '\n') lines.end();
      else {
        const piece = shown(char);
        lines.add(piece, piece === char ? emphasis : 'escape');
      }
    }
  }
  return lines.text();
}

/** `sql:select public.cards` → `public.cards` */
function objectOf(act: string): string {
  return act.slice(act.indexOf(' ') + 1);
}

class Lines {
  readonly #color: boolean;
  readonly #width: number;
  readonly #parts: string[] = [lineGutter];
  #column = 0;
  #style: Style = 'plain';

  constructor(color: boolean, width: number) {
    this.#color = color;
    this.#width = width;
  }

  add(piece: string, style: Style): void {
    // what is not ASCII may be two columns wide
    const columns = /^[ -~]*$/.test(piece) ? piece.length : 2;
    if (this.#column > 0 && this.#column + columns > this.#width) this.#begin(moreGutter);
    if (style !== this.#style) this.#switch(style);
    this.#parts.push(piece);
    this.#column += columns;
  }

  end(): void {
    this.#begin(lineGutter);
  }

  text(): string {
    this.#switch('plain');
    return `${this.#parts.join('')}\n`;
  }

  #begin(edge: string): void {
    this.#switch('plain');
    this.#parts.push('\n', edge);
    this.#column = 0;
  }

  #switch(style: Style): void {
    if (this.#color && this.#style !== style) this.#parts.push(this.#style === 'plain' ? '' : reset, codes[style]);
    this.#style = style;
  }
}

function hiddenText(hidden: readonly HiddenValue[]): string {
  if (hidden.length === 0) return '\nIt shows all of its values.\n';
  const lines = hidden.map(({ position, type, mark }) => [`  ${String(position + 1)}`, type, mark]);
  return `\nValues it does not show whole, counted from the first value of the command:\n${table(['  VALUE', 'TYPE', 'MARK'], lines)}  Two requests with different marks have different values.\n`;
}

function decisionsText({ decisions, closedAt, closedReason }: RequestView): string {
  const lines = decisions.map(decisionLine).join('');
  const closed = closedAt === null ? '' : `  closed ${closedAt}${closedReason === null ? '' : `: ${shown(closedReason)}`}\n`;
  return lines === '' && closed === '' ? '  nobody yet\n' : lines + closed;
}

function decisionLine({ verdict, human, approver, at, reason, seconds }: SignedDecision): string {
  const verb = verdict === 'deny' ? 'denied' : seconds === undefined ? 'approved' : `approved for ${span(seconds)}`;
  return `  ${verb} by ${shown(human)} (${shown(approver)}) at ${at}: ${shown(reason)}\n`;
}

function expiryText({ canonical: { expiresAt }, status }: RequestView, now: number): string {
  const left = Math.floor((Date.parse(expiresAt) - now) / 1_000);
  const open = status === 'pending' || status === 'approved';
  if (!open) return expiresAt;
  return left > 0 ? `${expiresAt}, in ${span(left)}` : `${expiresAt}, which is over`;
}

/** 5400 → `1 h 30 min` */
export function span(seconds: number): string {
  const parts = (
    [
      ['d', 86_400, Infinity],
      ['h', 3_600, 24],
      ['min', 60, 60],
      ['s', 1, 60],
    ] as const
  )
    .map(([unit, size, per]) => [Math.floor(seconds / size) % per, unit] as const)
    .filter(([count]) => count > 0)
    .slice(0, 2);
  return parts.length === 0 ? '0 s' : parts.map(([count, unit]) => `${String(count)} ${unit}`).join(' ');
}

function section(title: string, text: string): string {
  return `\n${shown(title)}\n${text}`;
}

function rows(entries: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(entries).map((name) => name.length));
  return Object.entries(entries)
    .map(([name, value]) => `  ${`${name}:`.padEnd(width + 2)}${shown(value)}\n`)
    .join('');
}

function paint(text: string, style: Style, color: boolean): string {
  return color ? `${codes[style]}${shown(text)}${reset}` : shown(text);
}
