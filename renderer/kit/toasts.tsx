import { CircleCheck, CircleX, X } from 'lucide-react';
import { createContext, use, useCallback, useRef, useState, type ReactNode } from 'react';
import { IconButton } from './button.tsx';
import { cx } from './css.ts';
import styles from './toasts.module.css';

export interface Toast {
  readonly tone: 'good' | 'bad';
  /** one sentence: what was done */
  readonly text: string;
}

const ToastContext = createContext<(toast: Toast) => void>(() => undefined);
const shownMs = 6_000;
const most = 3;

/** Says that something was done. Faults belong where they happened, not here. */
export function useToast(): (toast: Toast) => void {
  return use(ToastContext);
}

export function Toasts({ children }: { children: ReactNode }): ReactNode {
  const [toasts, setToasts] = useState<readonly (Toast & { id: number })[]>([]);
  const next = useRef(0);
  const close = useCallback((id: number) => setToasts((shown) => shown.filter((toast) => toast.id !== id)), []);
  const show = useCallback(
    (toast: Toast) => {
      const id = next.current++;
      setToasts((shown) => [...shown, { ...toast, id }].slice(-most));
      // a fault stays until it is closed
      if (toast.tone === 'good') setTimeout(() => close(id), shownMs);
    },
    [close],
  );
  return (
    <ToastContext value={show}>
      {children}
      <div className={styles['region']} role="status" aria-live="polite">
        {toasts.map(({ id, tone, text }) => (
          <div key={id} className={cx(styles['toast'], styles[tone])}>
            {tone === 'good' ? <CircleCheck size={15} aria-hidden /> : <CircleX size={15} aria-hidden />}
            <p>{text}</p>
            <IconButton small label="Dismiss" icon={<X size={14} />} onPress={() => close(id)} />
          </div>
        ))}
      </div>
    </ToastContext>
  );
}
