import type { ReactNode } from 'react';
import { Focusable, Tooltip, TooltipTrigger } from 'react-aria-components';
import type { Role } from '../../proxy/contract/api-route.ts';
import { useMay } from '../data/outside.tsx';
import { Button, type ButtonProps } from './button.tsx';
import styles from './button.module.css';
import { cx } from './css.ts';
import overlay from './overlay.module.css';

/** “Needs the role administrator”; undefined: the person has it. */
export function useNeed(role: Role): string | undefined {
  return useMay(role) ? undefined : `Needs the role ${role}`;
}

/** A button that says why it cannot be pressed: it keeps the focus, so that the reason can be read by keyboard, too. */
export function ActionButton({ reason, ...button }: ButtonProps & { readonly reason?: string | undefined }): ReactNode {
  if (reason === undefined) return <Button {...button} />;
  const { children, variant = 'plain', small = false, label } = button;
  return (
    <TooltipTrigger delay={0} closeDelay={0}>
      <Focusable>
        <button
          type="button"
          aria-disabled="true"
          data-disabled="true"
          className={cx(styles['button'], styles[variant], small && styles['small'])}
          {...(label !== undefined && { 'aria-label': label })}
        >
          {children}
        </button>
      </Focusable>
      <Tooltip className={cx(overlay['tooltip'])} offset={6}>
        {reason}
      </Tooltip>
    </TooltipTrigger>
  );
}
