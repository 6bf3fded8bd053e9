import { Check, ChevronDown } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button, Header, Label, ListBox, ListBoxItem, ListBoxSection, Popover, Select, SelectValue } from 'react-aria-components';
import { cx } from '../../kit/css.ts';
import field from '../../kit/field.module.css';
import overlay from '../../kit/overlay.module.css';
import { codeGroups } from './event-header.ts';

const every = 'every';

/** One event of the catalogue, in the groups of what it is about; typing jumps to it. */
export function CodePicker({ value, onChange }: { value: string; onChange: (code: string) => void }): ReactNode {
  return (
    <Select
      className={cx(field['field'], field['inline'])}
      value={value === '' ? every : value}
      onChange={(key) => onChange(key === every || key === null ? '' : String(key))}
    >
      <Label className={cx(field['label'])}>Event</Label>
      <Button className={cx(field['select'])}>
        <SelectValue className={cx(field['value'])} />
        <ChevronDown size={14} aria-hidden />
      </Button>
      <Popover className={cx(overlay['popover'])} offset={4}>
        <ListBox className={cx(overlay['list'])}>
          <Code code={every} label="Any" />
          {codeGroups.map(({ group, codes }) => (
            <ListBoxSection key={group} id={`group ${group}`}>
              <Header className={cx(overlay['section'])}>{group}</Header>
              {codes.map((code) => (
                <Code key={code} code={code} label={code} />
              ))}
            </ListBoxSection>
          ))}
        </ListBox>
      </Popover>
    </Select>
  );
}

function Code({ code, label }: { code: string; label: string }): ReactNode {
  return (
    <ListBoxItem id={code} textValue={label} className={cx(overlay['option'])}>
      {({ isSelected }) => (
        <>
          <span className={overlay['grow']}>{label}</span>
          {isSelected && <Check size={14} aria-hidden />}
        </>
      )}
    </ListBoxItem>
  );
}
