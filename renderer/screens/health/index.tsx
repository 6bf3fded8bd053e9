import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Around } from './around.tsx';
import { Local } from './local.tsx';
import { logParts, Logs } from './logs.tsx';
import { Parts } from './parts.tsx';
import { SelfScan } from './self-scan.tsx';

/** `health` or `health/log/gateway`. */
export function Screen(): ReactNode {
  const { path, replace } = usePlace();
  const part = logParts.find((name) => path[0] === 'log' && path[1] === name) ?? 'control';
  return (
    <Page title="Health" description="How each part of the service is, and what to do where it is not well.">
      <Parts />
      <Around />
      <Local />
      <Logs part={part} onPart={(next) => replace('log', next)} />
      <SelfScan />
    </Page>
  );
}
