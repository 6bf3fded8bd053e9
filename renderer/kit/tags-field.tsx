import { X } from 'lucide-react';
import { useState, type KeyboardEvent, type ReactNode } from 'react';
import { ComboBox } from './select.tsx';
import styles from './tags-field.module.css';

interface TagsFieldProps {
  readonly label: string;
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[]) => void;
  /** why a word cannot be one of them; undefined: it can */
  readonly faultOf?: (word: string) => string | undefined;
  readonly proposals?: readonly string[];
  readonly help?: ReactNode;
  readonly error?: string | undefined;
  readonly placeholder?: string;
  readonly most?: number;
}

/** Several words: groups, networks. Enter, a comma or leaving the field adds what was typed. */
export function TagsField({ label, value, onChange, faultOf, proposals = [], help, error, placeholder, most = 64 }: TagsFieldProps): ReactNode {
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string>();
  const add = (typed: string): void => {
    const words = typed.split(/[\s,]+/).filter((word) => word !== '' && !value.includes(word));
    const bad = words.find((word) => faultOf?.(word) !== undefined);
    const room = value.length + words.length <= most;
    setFault(bad === undefined ? (room ? undefined : `At most ${most}.`) : `${bad}: ${faultOf?.(bad) ?? ''}`);
    if (bad !== undefined || !room) return;
    setText('');
    if (words.length > 0) onChange([...value, ...new Set(words)]);
  };
  const change = (typed: string): void => {
    setFault(undefined);
    if (/[\s,]$/.test(typed) || (proposals.includes(typed) && typed !== text.slice(0, -1))) add(typed);
    else setText(typed);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && text.trim() !== '') {
      event.preventDefault();
      add(text);
    }
  };
  const options = proposals.filter((word) => !value.includes(word)).map((word) => ({ value: word, label: word }));
  return (
    // capture: the list must not take Enter for itself, nor the form
    <div onKeyDownCapture={onKeyDown} onBlur={() => text.trim() !== '' && add(text)}>
      <ComboBox
        label={label}
        value={text}
        onChange={change}
        options={options}
        help={help}
        error={fault ?? error}
        {...(placeholder !== undefined && { placeholder })}
      />
      {value.length > 0 && (
        <ul className={styles['tags']} aria-label={`${label}: chosen`}>
          {value.map((word) => (
            <li key={word} className={styles['tag']}>
              {word}
              <button type="button" aria-label={`Remove ${word}`} onClick={() => onChange(value.filter((other) => other !== word))}>
                <X size={13} aria-hidden />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
