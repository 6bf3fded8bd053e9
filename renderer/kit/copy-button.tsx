import { Check, Copy } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import { useBridge } from '../data/outside.tsx';
import { Button, IconButton } from './button.tsx';
import { useToast } from './toasts.tsx';
import styles from './text.module.css';

const shownMs = 1_500;

/** Copies `text`. With `children` a button with words, else an icon. `label` names what is copied: “Copy address”. */
export function CopyButton({ text, label, children }: { text: string; label: string; children?: ReactNode }): ReactNode {
  const bridge = useBridge();
  const toast = useToast();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), shownMs);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = (): void => {
    bridge.copy(text).then(
      () => setCopied(true),
      () => toast({ tone: 'bad', text: 'It could not be copied. Select it and copy it by hand.' }),
    );
  };
  const icon = copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />;
  if (children === undefined) return <IconButton small label={copied ? 'Copied' : label} icon={icon} onPress={copy} />;
  return (
    <Button onPress={copy}>
      {icon}
      {copied ? 'Copied' : children}
    </Button>
  );
}

/** An id, an address, a command line: mono, with its copy button. */
export function Copyable({ text, label }: { text: string; label: string }): ReactNode {
  return (
    <span className={styles['copyable']}>
      <code title={text}>{text}</code>
      <CopyButton text={text} label={label} />
    </span>
  );
}
