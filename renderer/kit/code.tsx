import { PostgreSQL } from '@codemirror/lang-sql';
import { highlightTree } from '@lezer/highlight';
import { useMemo, type ReactNode } from 'react';
import { cedar } from './cedar-mode.ts';
import { kinds, type Language } from './code-theme.ts';
import { cx } from './css.ts';
import styles from './code.module.css';

interface Piece {
  readonly text: string;
  readonly kind: string;
}

/** Beyond this it is shown in one colour: colouring must not stall a screen. */
const maxColouredChars = 65_536;

/** Text cut into pieces of one kind each: joined, they are the text. */
export function pieces(text: string, language: Language): readonly Piece[] {
  if (language === 'text' || text.length > maxColouredChars) return [{ text, kind: '' }];
  const parser = language === 'sql' ? PostgreSQL.language.parser : cedar.parser;
  const found: Piece[] = [];
  let at = 0;
  highlightTree(parser.parse(text), kinds, (from, to, kind) => {
    if (from > at) found.push({ text: text.slice(at, from), kind: '' });
    found.push({ text: text.slice(from, to), kind });
    at = to;
  });
  if (at < text.length) found.push({ text: text.slice(at), kind: '' });
  return found;
}

interface CodeProps {
  readonly text: string;
  readonly language?: Language;
  readonly label: string;
  /** in a line of a list: one line, cut off */
  readonly inline?: boolean;
}

/** Code to read: coloured, wrapped, whole. */
export function Code({ text, language = 'sql', label, inline = false }: CodeProps): ReactNode {
  const parts = useMemo(() => pieces(inline ? text.slice(0, 500).replaceAll(/\s+/g, ' ') : text, language), [inline, language, text]);
  const spans = parts.map(({ text: part, kind }, at) => (
    <span key={at} className={cx(styles[kind])}>
      {part}
    </span>
  ));
  if (inline) return <code className={styles['inline']}>{spans}</code>;
  return (
    <pre className={styles['code']} tabIndex={0} role="region" aria-label={label}>
      <code>{spans}</code>
    </pre>
  );
}
