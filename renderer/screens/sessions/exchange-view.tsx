import { ArrowLeft, ArrowRight } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { Notice } from '../../kit/states.tsx';
import type { Exchange, Header, Said } from './exchange.ts';
import styles from './sessions.module.css';

const number = new Intl.NumberFormat('en-GB');
const foldedLines = 40;
const mostLines = 5_000;

/** What went to the target and what came back, one below the other. */
export function ExchangeView({ exchange, isCut }: { exchange: Exchange; isCut: boolean }): ReactNode {
  const { sentBytes, sentHeaders, reply, said, dropped } = exchange;
  return (
    <>
      <div className={styles['way']}>
        <ArrowRight size={14} aria-hidden />
        <span>
          Sent to the target{sentBytes > 0 && `: ${number.format(sentBytes)} bytes`}. <Headers of={sentHeaders} label="Headers that were sent" />
        </span>
      </div>
      {reply === null ? (
        <p className={styles['note']}>No answer was recorded.</p>
      ) : (
        <div className={styles['way']}>
          <ArrowLeft size={14} aria-hidden />
          <span className={styles['answer']}>
            <Badge tone={reply.status < 400 ? 'good' : 'bad'}>{String(reply.status)}</Badge>
            <span className={styles['muted']}>after {number.format(reply.millis)} ms</span>
            <Headers of={reply.headers} label="Headers of the answer" />
          </span>
        </div>
      )}
      {said.map((each, at) => (
        <Piece key={at} said={each} number={at + 1} of={said.length} />
      ))}
      {reply !== null && said.length === 0 && !isCut && <p className={styles['note']}>It had no body.</p>}
      {dropped > 0 && (
        <Notice tone="warn">{number.format(dropped)} more messages are recorded than this screen shows. The command line shows all of them.</Notice>
      )}
    </>
  );
}

function Headers({ of, label }: { of: readonly Header[]; label: string }): ReactNode {
  if (of.length === 0) return null;
  return (
    <details className={styles['headers']}>
      <summary>{of.length === 1 ? '1 header' : `${of.length} headers`}</summary>
      <Code text={of.map(([name, value]) => `${name}: ${value}`).join('\n')} language="text" label={label} />
    </details>
  );
}

/** Long ones are folded: what is asked for most stands at the top. */
function Piece({ said: { by, text, bytes, isJson }, number: at, of }: { said: Said; number: number; of: number }): ReactNode {
  const [whole, setWhole] = useState(false);
  const label = of === 1 ? 'Body' : `Message ${at}, from the ${by}`;
  if (text === null) return <p className={styles['note']}>{`${label}: ${number.format(bytes)} bytes that are no text. Only their count was kept.`}</p>;
  const lines = text.split('\n');
  const shown = lines.slice(0, whole ? mostLines : foldedLines).join('\n');
  return (
    <div className={styles['piece']}>
      <div className={styles['pieceHead']}>
        <span className={styles['muted']}>
          {label}
          {isJson && ', JSON'}
        </span>
        <CopyButton text={text} label={`Copy ${label.toLowerCase()}`} />
      </div>
      <Code text={shown} language="text" label={label} />
      {lines.length > foldedLines && (
        <Button small variant="quiet" onPress={() => setWhole(!whole)}>
          {whole ? 'Fold' : `Show all ${number.format(Math.min(lines.length, mostLines))} lines`}
        </Button>
      )}
      {whole && lines.length > mostLines && <p className={styles['note']}>{number.format(lines.length - mostLines)} more lines are on the command line.</p>}
    </div>
  );
}
