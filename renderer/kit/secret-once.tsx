import { TriangleAlert } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Button } from './button.tsx';
import { CopyButton } from './copy-button.tsx';
import { Dialog } from './dialog.tsx';
import { Checkbox } from './field.tsx';
import styles from './text.module.css';

interface SecretOnceProps {
  readonly title: string;
  readonly secret: string;
  /** what it is for, how long it is good */
  readonly children: ReactNode;
  readonly onClose: () => void;
}

/** Shows a token or a code the only time it can be seen: closes only after “I have stored it”. */
export function SecretOnce({ title, secret, children, onClose }: SecretOnceProps): ReactNode {
  const [stored, setStored] = useState(false);
  return (
    <Dialog
      title={title}
      open
      dismissable={false}
      onClose={onClose}
      actions={
        <Button variant="primary" disabled={!stored} onPress={onClose}>
          Done
        </Button>
      }
    >
      {children}
      <div className={styles['secret']}>
        <code data-secret="">{secret}</code>
        <CopyButton text={secret} label="Copy" />
      </div>
      <p className={styles['warning']}>
        <TriangleAlert size={15} aria-hidden />
        It is shown this once and cannot be read back.
      </p>
      <Checkbox checked={stored} onChange={setStored}>
        I have stored it
      </Checkbox>
    </Dialog>
  );
}
