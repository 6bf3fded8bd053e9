import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { exchangeTitle } from './exchange.ts';
import { outcomeText } from './operation-outcome.ts';
import type { Step } from './recorded-steps.ts';

const maxRowsEach = 1_000;

/** What a replay shows, as text for a file: times in UTC. */
export function recordingText(session: SessionView, steps: readonly Step[], part: { readonly complete: boolean; readonly search: string }): string {
  const head = [
    `Session ${session.id}`,
    `Principal: ${session.principal}`,
    `Resource: ${session.resource}${session.database === '' ? '' : `, database ${session.database}`}, account ${session.account}`,
    `From: ${session.address}`,
    `Began: ${session.startedAt}; ended: ${session.endedAt ?? 'it goes on'}`,
    `Recording root: ${session.recordingRoot ?? 'none yet'}`,
    ...(part.search === '' ? [] : [`Only what holds: ${part.search}`]),
    ...(part.complete ? [] : ['The recording was not read to its end: what follows is not all of it.']),
    '',
  ];
  return `${head.join('\n')}\n${steps.map(stepText).join('\n')}`;
}

function stepText(step: Step): string {
  const { sets, messages, damaged, droppedRows } = step.frames();
  const lines = [`${step.at}  ${step.operation}`, ...step.command.split('\n').map((line) => `> ${visible(line)}`), ...exchangeLines(step)];
  for (const { columns, rows, tag } of sets) {
    if (columns.length > 0) lines.push(`  ${columns.map(visible).join(' | ')}`);
    for (const row of rows.slice(0, maxRowsEach)) lines.push(`  ${row.map((value) => (value === null ? 'NULL' : visible(value))).join(' | ')}`);
    if (rows.length > maxRowsEach) lines.push(`  … and ${rows.length - maxRowsEach} more rows`);
    if (tag !== null) lines.push(`  ${visible(tag)}`);
  }
  for (const { severity, text } of messages) lines.push(`  ${visible(severity)}: ${visible(text)}`);
  if (droppedRows > 0) lines.push(`  … and ${droppedRows} more rows`);
  if (step.truncated !== null) lines.push(`  (the rest of the result was counted, not kept: ${step.truncated.bytes} bytes)`);
  if (damaged) lines.push('  (the result could not be read to its end)');
  if (step.outcome !== null)
    lines.push(
      `= ${step.outcome.state}: ${outcomeText(step.outcome, step.exchange() !== null)}${step.outcome.why === '' ? '' : `; ${visible(step.outcome.why)}`}`,
    );
  return `${lines.join('\n')}\n`;
}

function exchangeLines(step: Step): readonly string[] {
  const exchange = step.exchange();
  if (exchange === null) return [];
  const { reply, said, dropped } = exchange;
  return [
    `  ${visible(exchangeTitle(exchange))}`,
    ...(reply === null ? [] : [`  ← ${reply.status}, ${reply.millis} ms`]),
    ...said.flatMap(({ by, text, bytes }) => {
      const sign = by === 'client' ? '→' : '←';
      return text === null
        ? [`  ${sign} (${bytes} bytes)`]
        : text
            .split('\n')
            .slice(0, maxRowsEach)
            .map((line) => `  ${sign} ${visible(line)}`);
    }),
    ...(dropped > 0 ? [`  … and ${dropped} more messages`] : []),
    ...(typeof step.outcome?.request !== 'string' ? [] : [`  decided by people: ${step.outcome.request}`]),
    ...(step.outcome?.run.length ? [`  run: ${step.outcome.run.map(([claim, value]) => `${claim} ${visible(value)}`).join(', ')}`] : []),
  ];
}

/** Control and direction characters by number: a file is read in a terminal, too. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}
