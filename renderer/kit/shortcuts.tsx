import { Fragment, type ReactNode } from 'react';
import { Dialog } from './dialog.tsx';
import styles from './shortcuts.module.css';

const modifier = /Mac/.test(navigator.userAgent) ? '⌘' : 'Ctrl';

const shortcuts: readonly (readonly [keys: readonly string[], what: string])[] = [
  [[modifier, 'K'], 'Go to a screen, a resource, a session, a request'],
  [['g', 'o'], 'Overview'],
  [['g', 'r'], 'Requests'],
  [['g', 's'], 'Sessions'],
  [['g', 'a'], 'Audit'],
  [['j'], 'Next row'],
  [['k'], 'Row before'],
  [['Enter'], 'Open the row'],
  [['/'], 'Search in the list'],
  [['Esc'], 'Close what is open'],
  [['?'], 'This help'],
];

export function Key({ children }: { children: ReactNode }): ReactNode {
  return <kbd className={styles['key']}>{children}</kbd>;
}

/** What the keyboard does; `?` opens it. Approving has no key on purpose. */
export function ShortcutsHelp({ open, onClose }: { open: boolean; onClose: () => void }): ReactNode {
  return (
    <Dialog title="Keyboard" open={open} onClose={onClose}>
      <div className={styles['list']}>
        {shortcuts.map(([keys, what]) => (
          <Fragment key={what}>
            <span className={styles['keys']}>
              {keys.map((key) => (
                <Key key={key}>{key}</Key>
              ))}
            </span>
            <span>{what}</span>
          </Fragment>
        ))}
      </div>
    </Dialog>
  );
}

/** Whether a key belongs to what is being written. */
export function isWriting(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable="true"]') !== null;
}

/** Whether something lies over the page: shortcuts of the page are off. */
export function isCovered(): boolean {
  return document.querySelector('[role="dialog"], [role="alertdialog"], [role="listbox"], [role="menu"]') !== null;
}
