import type { ReactNode } from 'react';
import { Tab, TabList, TabPanel, Tabs as AriaTabs } from 'react-aria-components';
import { cx } from './css.ts';
import styles from './tabs.module.css';

export interface TabItem {
  readonly id: string;
  readonly label: string;
  readonly count?: number | undefined;
  readonly content: ReactNode;
}

/** `selected` and `onSelect` belong into the address: `usePlace().replace(id)`. */
export function Tabs({
  label,
  items,
  selected,
  onSelect,
}: {
  label: string;
  items: readonly TabItem[];
  selected: string;
  onSelect: (id: string) => void;
}): ReactNode {
  const known = items.some(({ id }) => id === selected) ? selected : (items[0]?.id ?? '');
  return (
    <AriaTabs selectedKey={known} onSelectionChange={(key) => onSelect(String(key))}>
      <TabList aria-label={label} className={cx(styles['list'])}>
        {items.map(({ id, label: text, count }) => (
          <Tab key={id} id={id} className={cx(styles['tab'])}>
            {text}
            {count !== undefined && <span className={styles['count']}>{count}</span>}
          </Tab>
        ))}
      </TabList>
      {items.map(({ id, content }) => (
        <TabPanel key={id} id={id} className={cx(styles['panel'])}>
          {content}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}
