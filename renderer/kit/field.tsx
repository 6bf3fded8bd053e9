import { Check, CircleAlert, Search } from 'lucide-react';
import type { ReactNode } from 'react';
import {
  CheckboxButton,
  CheckboxField,
  FieldError,
  Input,
  Label,
  SearchField as AriaSearch,
  SwitchButton,
  SwitchField,
  Text,
  TextArea,
  TextField as AriaTextField,
} from 'react-aria-components';
import { cx } from './css.ts';
import styles from './field.module.css';

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly help?: ReactNode;
  /** what is wrong, in words; shown below, announced */
  readonly error?: string | undefined;
  /** more than 1: a text area */
  readonly rows?: number;
  readonly type?: 'text' | 'password' | 'number';
  readonly mono?: boolean;
  readonly required?: boolean;
  readonly disabled?: boolean;
  readonly placeholder?: string;
  readonly maxLength?: number;
  readonly autoFocus?: boolean;
}

export function TextField(props: TextFieldProps): ReactNode {
  const { label, value, onChange, help, error, required = false, disabled = false, maxLength = 1_000, autoFocus = false } = props;
  return (
    <AriaTextField
      className={cx(styles['field'])}
      value={value}
      onChange={onChange}
      isRequired={required}
      isDisabled={disabled}
      isInvalid={error !== undefined}
      maxLength={maxLength}
      autoFocus={autoFocus}
      autoComplete="off"
      validationBehavior="aria"
    >
      <Label className={cx(styles['label'])}>{label}</Label>
      <Writing {...props} />
      {help !== undefined && (
        <Text slot="description" className={cx(styles['help'])}>
          {help}
        </Text>
      )}
      {error !== undefined && (
        <FieldError className={cx(styles['error'])}>
          <CircleAlert size={14} aria-hidden />
          {error}
        </FieldError>
      )}
    </AriaTextField>
  );
}

function Writing({ rows = 1, type = 'text', mono = false, placeholder }: TextFieldProps): ReactNode {
  const common = { className: cx(styles['input'], mono && styles['mono']), ...(placeholder !== undefined && { placeholder }) };
  if (rows > 1) return <TextArea {...common} rows={rows} spellCheck={!mono} />;
  // a number field would swallow what is no number, silently
  if (type === 'number') return <Input {...common} type="text" inputMode="numeric" spellCheck="false" />;
  return <Input {...common} type={type} spellCheck="false" />;
}

interface ToggleProps {
  readonly children: ReactNode;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly disabled?: boolean;
  readonly help?: ReactNode;
}

export function Checkbox({ children, checked, onChange, disabled = false, help }: ToggleProps): ReactNode {
  return (
    <CheckboxField className={cx(styles['toggle'])} isSelected={checked} onChange={onChange} isDisabled={disabled}>
      <CheckboxButton className={cx(styles['check'])}>
        <span className={styles['box']}>{checked && <Check size={12} strokeWidth={3} aria-hidden />}</span>
        <Words help={help}>{children}</Words>
      </CheckboxButton>
    </CheckboxField>
  );
}

/** Takes effect at once; a checkbox waits for Save. */
export function Switch({ children, checked, onChange, disabled = false, help }: ToggleProps): ReactNode {
  return (
    <SwitchField className={cx(styles['toggle'])} isSelected={checked} onChange={onChange} isDisabled={disabled}>
      <SwitchButton className={cx(styles['check'])}>
        <span className={styles['track']}>
          <span className={styles['thumb']} />
        </span>
        <Words help={help}>{children}</Words>
      </SwitchButton>
    </SwitchField>
  );
}

function Words({ children, help }: { children: ReactNode; help: ReactNode }): ReactNode {
  return (
    <span>
      {children}
      {help !== undefined && <div className={styles['help']}>{help}</div>}
    </span>
  );
}

export interface SearchFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly placeholder?: string;
}

/** `/` puts the focus here. Esc clears it. */
export function SearchField({ label, value, onChange, placeholder = label }: SearchFieldProps): ReactNode {
  return (
    <AriaSearch className={cx(styles['search'])} aria-label={label} value={value} onChange={onChange} maxLength={200} data-search="">
      <Search size={14} aria-hidden />
      <Input className={cx(styles['input'])} placeholder={placeholder} spellCheck="false" />
    </AriaSearch>
  );
}

/** Fields side by side. */
export function FieldRow({ children }: { children: ReactNode }): ReactNode {
  return <div className={styles['row']}>{children}</div>;
}
