import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import type { DecisionInput } from '../../../main/contract/bridge.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf, invalidate } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';

interface Deciding {
  /** the verdict under way; null: none */
  readonly running: DecisionInput['verdict'] | null;
  readonly fault: AppError | null;
  /** True when the service took it. */
  readonly decide: (input: Omit<DecisionInput, 'appliance'>) => Promise<boolean>;
}

/** Signs with the key of this machine; what changed is read again at once. */
export function useDecide(): Deciding {
  const bridge = useBridge();
  const client = useQueryClient();
  const { id: appliance } = useAppliance();
  const [running, setRunning] = useState<Deciding['running']>(null);
  const [fault, setFault] = useState<AppError | null>(null);
  const decide = useCallback(
    async (input: Omit<DecisionInput, 'appliance'>) => {
      setRunning(input.verdict);
      setFault(null);
      try {
        await bridge.decide({ appliance, ...input });
        return true;
      } catch (error) {
        setFault(appErrorOf(error));
        return false;
      } finally {
        setRunning(null);
        void invalidate(client, appliance, ['requests', 'grants']);
      }
    },
    [appliance, bridge, client],
  );
  return { running, fault, decide };
}
