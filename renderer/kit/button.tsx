import { LoaderCircle } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button as AriaButton, Tooltip, TooltipTrigger } from 'react-aria-components';
import { cx } from './css.ts';
import styles from './button.module.css';
import overlay from './overlay.module.css';

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onPress?: () => void;
  /** one `primary` at most on a page */
  readonly variant?: 'plain' | 'primary' | 'danger' | 'quiet';
  readonly small?: boolean;
  readonly disabled?: boolean;
  /** works: shown, not pressable, kept in the order of focus */
  readonly pending?: boolean;
  readonly type?: 'button' | 'submit';
  readonly label?: string;
}

export function Button(props: ButtonProps): ReactNode {
  const { children, onPress, variant = 'plain', small = false, disabled = false, pending = false, type = 'button', label } = props;
  return (
    <AriaButton
      className={cx(styles['button'], styles[variant], small && styles['small'])}
      isDisabled={disabled}
      // keeps the focus, but neither presses nor submits again
      type={pending ? 'button' : type}
      {...(label !== undefined && { 'aria-label': label })}
      {...(onPress && !pending && { onPress })}
    >
      {pending && <Spinner />}
      {children}
    </AriaButton>
  );
}

function Spinner(): ReactNode {
  return (
    <span className={styles['spinner']}>
      <LoaderCircle size={14} role="img" aria-label="Working" />
    </span>
  );
}

interface IconButtonProps extends Omit<ButtonProps, 'children' | 'label'> {
  /** what it does: the tooltip and the name */
  readonly label: string;
  readonly icon: ReactNode;
}

export function IconButton({ icon, label, variant = 'quiet', small = false, disabled = false, onPress }: IconButtonProps): ReactNode {
  return (
    <TooltipTrigger delay={500} closeDelay={0}>
      <AriaButton
        aria-label={label}
        className={cx(styles['button'], styles[variant], styles['icon'], small && styles['small'])}
        isDisabled={disabled}
        {...(onPress && { onPress })}
      >
        {icon}
      </AriaButton>
      <Tooltip className={cx(overlay['tooltip'])} offset={6}>
        {label}
      </Tooltip>
    </TooltipTrigger>
  );
}

/** A link that looks like a button: goes somewhere, changes nothing. */
export function ButtonLink({
  href,
  children,
  variant = 'plain',
  small = false,
}: Pick<ButtonProps, 'children' | 'variant' | 'small'> & { href: string }): ReactNode {
  return (
    <a className={cx(styles['button'], styles[variant], small && styles['small'])} href={href}>
      {children}
    </a>
  );
}
