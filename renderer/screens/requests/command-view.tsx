import { TriangleAlert } from 'lucide-react';
import { useMemo, type ReactNode } from 'react';
import type { HiddenValue } from '../../../proxy/contract/approval-request.ts';
import { pieces } from '../../kit/code.tsx';
import type { Language } from '../../kit/code-theme.ts';
import { cx } from '../../kit/css.ts';
import code from '../../kit/code.module.css';
import { commandLines, hasStrange, type CommandPiece, type Range } from './command-lines.ts';
import styles from './requests.module.css';

interface CommandViewProps {
  /** names it for screen readers */
  readonly label: string;
  readonly command: string;
  readonly hidden: readonly HiddenValue[];
  /** what a call says is coloured as text: in it `--` begins no comment */
  readonly language?: Language;
  /** ranges that differ from the one it is compared with */
  readonly changed?: readonly Range[];
  /** the hidden values differ, though their text does not: positions, or all of them where a place is uncertain */
  readonly differing?: ReadonlySet<number>;
}

const none: readonly Range[] = [];
const noPositions: ReadonlySet<number> = new Set();

/** The whole command: wrapped, coloured, with line numbers; what cannot be seen is shown by number. */
export function CommandView({ label, command, hidden, language = 'sql', changed = none, differing = noPositions }: CommandViewProps): ReactNode {
  const lines = useMemo(() => commandLines(pieces(command, language), hidden, changed), [command, hidden, language, changed]);
  return (
    <>
      {hasStrange(command) && (
        <p className={styles['strangeNote']}>
          <TriangleAlert size={14} aria-hidden />
          The command holds characters that cannot be seen. They are shown by number, as {'\\u{200b}'}.
        </p>
      )}
      <div className={styles['command']} role="region" aria-label={label} tabIndex={0}>
        {lines.map((line, at) => (
          <div key={at} className={styles['line']}>
            <span className={styles['number']} aria-hidden>
              {at + 1}
            </span>
            <code>
              {line.map((piece, index) => (
                <PieceView key={index} piece={piece} differing={differing} />
              ))}
            </code>
          </div>
        ))}
      </div>
    </>
  );
}

function PieceView({ piece, differing }: { piece: CommandPiece; differing: ReadonlySet<number> }): ReactNode {
  const { shown, kind, hidden, strange, changed } = piece;
  if (hidden !== undefined) {
    const differs = changed === true || (hidden === null ? differing.size > 0 : differing.has(hidden.position));
    return (
      <mark className={cx(styles['hidden'], differs && styles['changed'])} title={hiddenTitle(hidden)}>
        {shown}
      </mark>
    );
  }
  if (changed) return <mark className={cx(styles['changed'], code[kind])}>{shown}</mark>;
  return <span className={cx(strange ? styles['strange'] : code[kind])}>{shown}</span>;
}

function hiddenTitle(value: HiddenValue | null): string {
  if (value === null) return 'A value that is not shown whole. Which of the values listed below it is cannot be said for certain.';
  return `Value ${value.position + 1}: ${value.type}, mark ${value.mark}. Equal marks in two requests of this requester: all of their hidden values are equal.`;
}

/** What the command does not show whole, counted from its first value. */
export function HiddenValues({ hidden }: { hidden: readonly HiddenValue[] }): ReactNode {
  if (hidden.length === 0) return <p className={styles['note']}>It shows all of its values.</p>;
  return (
    <>
      <table className={styles['table']}>
        <caption className={styles['caption']}>Values it does not show whole, counted from the first value of the command</caption>
        <thead>
          <tr>
            <th scope="col">Value</th>
            <th scope="col">Type</th>
            <th scope="col">Mark</th>
          </tr>
        </thead>
        <tbody>
          {hidden.slice(0, maxShown).map(({ position, type, mark }) => (
            <tr key={position}>
              <td>{position + 1}</td>
              <td>{type}</td>
              <td>
                <code>{mark}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={styles['note']}>
        {hidden.length > maxShown && `The first ${maxShown} of ${hidden.length} are listed. `}
        Equal marks in two requests of this requester mean that all of their hidden values are equal.
      </p>
    </>
  );
}

const maxShown = 200;
