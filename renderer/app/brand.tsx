import type { ReactNode } from 'react';

/** The sign: a small gate in a wall. */
export function Mark({ size = 18 }: { size?: number }): ReactNode {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <path fill="var(--accent)" d="M4 30V14a12 12 0 0 1 24 0v16z" />
      <path fill="var(--canvas)" d="M9 30V14.5a7 7 0 0 1 14 0V30h-4.5v-8a2.5 2.5 0 0 0-5 0v8z" />
    </svg>
  );
}
