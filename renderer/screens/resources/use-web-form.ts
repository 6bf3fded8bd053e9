import { useState } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { useMutationCall } from '../../data/calls.ts';
import { asksForSecret, emptyWebForm, webFormOf, type WebForm, type WebView } from './web-form.ts';
import { secretOf, servedWebFaults, webCreationOf, webFaults, webSettingsOf, type WebFaults } from './web-settings.ts';

export interface WebEditing {
  readonly form: WebForm;
  readonly set: (change: Partial<WebForm>) => void;
  readonly faults: WebFaults;
  readonly fault: AppError | null;
  readonly saving: boolean;
  /** as the service has it; null: it is not there yet */
  readonly stored: WebView | null;
  /** true: it is stored, with its credential */
  readonly save: () => Promise<boolean>;
  /** forgets the secret and the faults, and what was typed once it is stored */
  readonly leave: () => void;
}

interface Known {
  /** null: a new one */
  readonly view: WebView | null;
  /** the credential is typed in this form */
  readonly wantsSecret: boolean;
}

/** One form for a new resource and for changing one. */
export function useWebForm(protocol: 'http' | 'mcp', { view, wantsSecret }: Known): WebEditing {
  const [form, setForm] = useState<WebForm>(() => (view === null ? emptyWebForm(protocol) : webFormOf(view)));
  const [stored, setStored] = useState(view);
  const [tried, setTried] = useState<WebFaults>({});
  const storing = useStoring();
  const save = async (): Promise<boolean> => {
    const found = { ...webFaults(form, { isNew: stored === null, wantsSecret }), ...keptAuthority(stored, form) };
    setTried(found);
    if (Object.keys(found).length > 0) return false;
    const isNew = stored === null;
    const now = await storing.store(form, isNew);
    if (now === null || now.protocol === 'postgres') return false;
    setStored(now);
    return isNew || !wantsSecret || !asksForSecret(form) || storing.replace(form, now.name);
  };
  const leave = (): void => {
    setForm((typed) => (stored === null ? { ...typed, secret: '' } : emptyWebForm(protocol)));
    setStored(view);
    setTried({});
    storing.reset();
  };
  return {
    form,
    set: (change) => setForm((before) => ({ ...before, ...change })),
    faults: { ...servedWebFaults(storing.fault?.faults ?? [], protocol), ...tried },
    fault: storing.fault,
    saving: storing.running,
    stored,
    save,
    leave,
  };
}

interface Storing {
  readonly store: (form: WebForm, isNew: boolean) => Promise<Output<'showResource'> | null>;
  readonly replace: (form: WebForm, name: string) => Promise<boolean>;
  readonly running: boolean;
  readonly fault: AppError | null;
  readonly reset: () => void;
}

/** What a resource speaks never changes. */
function withoutProtocol({ protocol: _, ...settings }: ReturnType<typeof webSettingsOf>): Omit<ReturnType<typeof webSettingsOf>, 'protocol'> {
  return settings;
}

function useStoring(): Storing {
  const create = useMutationCall('createResource');
  const update = useMutationCall('updateResource');
  const credential = useMutationCall('setResourceCredential');
  return {
    store: async (form, isNew) => {
      if (isNew) return create.run(webCreationOf(form));
      return update.run({ name: form.name, ...withoutProtocol(webSettingsOf(form)) });
    },
    replace: async (form, name) => (await credential.run({ name, password: secretOf(form) })) !== null,
    running: create.running || update.running || credential.running,
    fault: create.fault ?? update.fault ?? credential.fault,
    reset: () => [create, update, credential].forEach((call) => call.reset()),
  };
}

/** The service keeps what is not sent: of an API an authority can be replaced, not taken away. */
function keptAuthority(stored: WebView | null, form: WebForm): WebFaults {
  return stored?.protocol === 'http' && stored.ca !== undefined && form.ca.trim() === ''
    ? { ca: 'It can be replaced, not taken away: paste the authorities that count now.' }
    : {};
}
