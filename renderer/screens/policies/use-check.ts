import { useEffect, useState } from 'react';
import type { Fault } from '../../../proxy/contract/api-views.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import type { PolicyFile } from './policy-set.ts';

const quietMs = 350;

export interface Checked {
  readonly state: 'checking' | 'checked';
  readonly faults: readonly Fault[];
  /** the check itself failed */
  readonly fault: AppError | null;
}

const before: Checked = { state: 'checking', faults: [], fault: null };

/** Validates at the service a moment after typing stopped; not kept, as every keystroke is another input. */
export function useCheck(files: readonly PolicyFile[]): Checked {
  const bridge = useBridge();
  const { id } = useAppliance();
  const [checked, setChecked] = useState<Checked>(before);
  useEffect(() => {
    let current = true;
    setChecked((was) => ({ ...was, state: 'checking' }));
    const timer = setTimeout(() => {
      bridge.call(id, 'checkPolicies', { files: [...files] }).then(
        ({ faults }) => current && setChecked({ state: 'checked', faults, fault: null }),
        (error: unknown) => current && setChecked({ state: 'checked', faults: [], fault: appErrorOf(error) }),
      );
    }, quietMs);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [bridge, files, id]);
  return checked;
}
