import { useEffect, useState } from 'react';
import type { WitnessState } from '../../main/contract/views.ts';
import { useBridge } from '../data/outside.tsx';

/** What this machine knows of the logs of its services. */
export function useWitness(): readonly WitnessState[] {
  const bridge = useBridge();
  const [states, setStates] = useState<readonly WitnessState[]>([]);
  useEffect(() => bridge.witness.watch(setStates), [bridge]);
  return states;
}
