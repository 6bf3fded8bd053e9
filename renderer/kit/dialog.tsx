import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { IconButton } from './button.tsx';
import { cx } from './css.ts';
import styles from './overlay.module.css';

export interface DialogProps {
  readonly title: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** buttons at the end; the main one last */
  readonly actions?: ReactNode;
  readonly wide?: boolean;
  /** false: neither Esc nor a click beside it closes; the ✕ goes away, too */
  readonly dismissable?: boolean;
  readonly role?: 'dialog' | 'alertdialog';
}

/** A dialog in the middle: a short question or a form of few fields. */
export function Dialog(props: DialogProps): ReactNode {
  return <Overlay {...props} place="center" />;
}

/** A panel at the right side: details, long forms. The list stays visible beside it. */
export function Drawer(props: DialogProps): ReactNode {
  return <Overlay {...props} place="side" />;
}

function Overlay({
  title,
  open,
  onClose,
  children,
  actions,
  wide = false,
  dismissable = true,
  role = 'dialog',
  place,
}: DialogProps & { place: 'center' | 'side' }): ReactNode {
  return (
    <ModalOverlay
      className={cx(styles['veil'], styles[place])}
      isOpen={open}
      onOpenChange={(now) => !now && onClose()}
      isDismissable={dismissable}
      isKeyboardDismissDisabled={!dismissable}
    >
      <Modal className={cx(styles[place === 'center' ? 'modal' : 'drawer'], wide && styles['wide'])}>
        <AriaDialog className={cx(styles['dialog'])} role={role}>
          <header className={styles['head']}>
            <Heading slot="title" className={cx(styles['title'])}>
              {title}
            </Heading>
            {dismissable && <IconButton label="Close" icon={<X size={16} />} onPress={onClose} />}
          </header>
          {/* a long body scrolls: reachable by keyboard */}
          <div className={styles['body']}>{children}</div>
          {actions !== undefined && <footer className={styles['foot']}>{actions}</footer>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
