import { Check, ChevronDown } from 'lucide-react';
import type { ReactNode } from 'react';
import {
  Button,
  ComboBox as AriaComboBox,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Text,
} from 'react-aria-components';
import { cx } from './css.ts';
import styles from './field.module.css';
import overlay from './overlay.module.css';

export interface Option<V extends string = string> {
  readonly value: V;
  readonly label: string;
  /** small, behind the label */
  readonly note?: string;
}

interface SelectProps<V extends string> {
  readonly label: string;
  readonly value: V | null;
  readonly onChange: (value: V) => void;
  readonly options: readonly Option<V>[];
  readonly help?: ReactNode;
  readonly error?: string | undefined;
  readonly placeholder?: string;
  readonly disabled?: boolean;
  /** label before it, in one line: toolbars */
  readonly inline?: boolean;
}

/** One of a few. */
export function Select<V extends string>({
  label,
  value,
  onChange,
  options,
  help,
  error,
  placeholder = 'Choose…',
  disabled = false,
  inline = false,
}: SelectProps<V>): ReactNode {
  return (
    <AriaSelect
      className={cx(styles['field'], inline && styles['inline'])}
      value={value}
      onChange={(key) => {
        const chosen = options.find((option) => option.value === key);
        if (chosen) onChange(chosen.value);
      }}
      isDisabled={disabled}
      isInvalid={error !== undefined}
      placeholder={placeholder}
    >
      <Label className={cx(styles['label'])}>{label}</Label>
      <Button className={cx(styles['select'])}>
        <SelectValue className={cx(styles['value'])} />
        <ChevronDown size={14} aria-hidden />
      </Button>
      {help !== undefined && (
        <Text slot="description" className={cx(styles['help'])}>
          {help}
        </Text>
      )}
      {error !== undefined && <FieldError className={cx(styles['error'])}>{error}</FieldError>}
      <Options options={options} />
    </AriaSelect>
  );
}

function Options<V extends string>({ options }: { options: readonly Option<V>[] }): ReactNode {
  return (
    <Popover className={cx(overlay['popover'])} offset={4}>
      <ListBox className={cx(overlay['list'])}>
        {options.map(({ value, label, note }) => (
          <ListBoxItem key={value} id={value} textValue={label} className={cx(overlay['option'])}>
            {({ isSelected }) => (
              <>
                <span className={overlay['grow']}>{label}</span>
                {note !== undefined && <span className={cx(overlay['note'], styles['note'])}>{note}</span>}
                {isSelected && <Check size={14} aria-hidden />}
              </>
            )}
          </ListBoxItem>
        ))}
      </ListBox>
    </Popover>
  );
}

interface ComboBoxProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly options: readonly Option[];
  readonly help?: ReactNode;
  readonly error?: string | undefined;
  readonly placeholder?: string;
  readonly disabled?: boolean;
}

/** Free text with proposals: names of principals, resources, groups. */
export function ComboBox({ label, value, onChange, options, help, error, placeholder, disabled = false }: ComboBoxProps): ReactNode {
  return (
    <AriaComboBox
      className={cx(styles['field'])}
      inputValue={value}
      onInputChange={onChange}
      allowsCustomValue
      allowsEmptyCollection={false}
      menuTrigger="focus"
      isDisabled={disabled}
      isInvalid={error !== undefined}
    >
      <Label className={cx(styles['label'])}>{label}</Label>
      <div className={styles['combo']}>
        <Input className={cx(styles['input'])} spellCheck="false" {...(placeholder !== undefined && { placeholder })} />
        <Button className={cx(styles['chevron'])} aria-label={`Proposals for ${label}`}>
          <ChevronDown size={14} aria-hidden />
        </Button>
      </div>
      {help !== undefined && (
        <Text slot="description" className={cx(styles['help'])}>
          {help}
        </Text>
      )}
      {error !== undefined && <FieldError className={cx(styles['error'])}>{error}</FieldError>}
      <Options options={options} />
    </AriaComboBox>
  );
}
