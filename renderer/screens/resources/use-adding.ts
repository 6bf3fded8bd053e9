import { useState } from 'react';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useConnectionTest, type ConnectionTest } from './connection-test.tsx';
import {
  creationOf,
  emptyForm,
  faultyStep,
  formFaults,
  servedFaults,
  settingsOf,
  stepFaults,
  steps,
  type FormFaults,
  type ResourceForm,
  type Step,
} from './resource-form.ts';

export interface Adding {
  readonly form: ResourceForm;
  readonly set: (change: Partial<ResourceForm>) => void;
  readonly step: Step;
  readonly faults: FormFaults;
  readonly fault: AppError | null;
  /** it exists at the service; until the test succeeds it can be corrected here */
  readonly created: boolean;
  readonly busy: boolean;
  readonly test: ConnectionTest;
  readonly next: () => void;
  readonly back: () => void;
  /** forgets what was typed once it was created; before that only the password */
  readonly leave: () => void;
}

/** The steps of a new resource: fields, creation, test, correction. */
export function useAdding(): Adding {
  const [form, setForm] = useState<ResourceForm>(emptyForm);
  const [step, setStep] = useState<Step>('address');
  const [tried, setTried] = useState<FormFaults>({});
  const [created, setCreated] = useState(false);
  const saving = useSaving();
  const name = form.name.trim();
  const test = useConnectionTest(name);
  const save = async (): Promise<void> => {
    if (!(await saving.save(form, created))) return;
    setCreated(true);
    await test.start();
  };
  const next = (): void => {
    const all = formFaults(form, true);
    const last = step === 'options';
    const here = last ? all : stepFaults(step, all);
    setTried(here);
    const faulty = faultyStep(here);
    if (faulty !== null) setStep(faulty);
    else if (last) void save();
    else setStep(steps[steps.indexOf(step) + 1] ?? 'options');
  };
  const leave = (): void => {
    setForm((typed) => (created ? emptyForm : { ...typed, password: '' }));
    setStep('address');
    setTried({});
    setCreated(false);
    saving.reset();
  };
  return {
    form,
    set: (change) => setForm((before) => ({ ...before, ...change })),
    step,
    faults: { ...servedFaults(saving.fault?.faults ?? []), ...tried },
    fault: saving.fault,
    created,
    busy: saving.running || test.running,
    test,
    next,
    back: () => setStep(steps[steps.indexOf(step) - 1] ?? 'address'),
    leave,
  };
}

interface Saving {
  readonly save: (form: ResourceForm, exists: boolean) => Promise<boolean>;
  readonly running: boolean;
  readonly fault: AppError | null;
  readonly reset: () => void;
}

function useSaving(): Saving {
  const create = useMutationCall('createResource');
  const update = useMutationCall('updateResource');
  const credential = useMutationCall('setResourceCredential');
  const save = async (form: ResourceForm, exists: boolean): Promise<boolean> => {
    if (!exists) return (await create.run(creationOf(form))) !== null;
    const name = form.name.trim();
    // after a failed test both may be what was wrong
    return (await update.run({ name, ...settingsOf(form) })) !== null && (await credential.run({ name, password: form.password })) !== null;
  };
  return {
    save,
    running: create.running || update.running || credential.running,
    fault: create.fault ?? update.fault ?? credential.fault,
    reset: () => [create, update, credential].forEach((call) => call.reset()),
  };
}
