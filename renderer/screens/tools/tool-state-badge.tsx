import type { ReactNode } from 'react';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import { Badge } from '../../kit/badge.tsx';
import { stateOf, stateWords } from './tool-state.ts';

export function ToolStateBadge({ pin }: { pin: ToolPin }): ReactNode {
  const state = stateOf(pin);
  const [tone, word] = stateWords[state];
  return (
    <Badge tone={tone}>
      {word}
      {state === 'agreed' && pin.readOnly && ', read-only'}
    </Badge>
  );
}
