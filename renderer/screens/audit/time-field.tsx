import { useId, useState, type ReactNode } from 'react';
import field from '../../kit/field.module.css';
import { cx } from '../../kit/css.ts';
import { fieldText, instantOf, type Zone } from './local-time.ts';
import styles from './audit.module.css';

interface TimeFieldProps {
  readonly label: string;
  /** RFC 3339; empty: none */
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly zone: Zone;
  readonly error?: string | undefined;
}

/** A moment, taken over when the field is left or Enter is pressed: half-typed times search nothing. */
export function TimeField({ label, value, onChange, zone, error }: TimeFieldProps): ReactNode {
  const id = useId();
  const shown = fieldText(value, zone);
  const [typed, setTyped] = useState({ shown, text: shown });
  if (typed.shown !== shown) setTyped({ shown, text: shown });
  const take = (): void => {
    const next = instantOf(typed.text, zone);
    if (fieldText(next, zone) !== shown) onChange(next);
  };
  return (
    <div className={styles['time']}>
      <label className={field['label']} htmlFor={id}>
        {label}
      </label>
      <input
        id={id}
        type="datetime-local"
        step={1}
        className={cx(field['input'])}
        value={typed.text}
        onChange={({ target }) => setTyped({ shown, text: target.value })}
        onBlur={take}
        onKeyDown={({ key }) => key === 'Enter' && take()}
        {...(error !== undefined && { 'aria-invalid': true, 'aria-describedby': `${id}-error` })}
      />
      {error !== undefined && (
        <span id={`${id}-error`} className={field['error']}>
          {error}
        </span>
      )}
    </div>
  );
}
