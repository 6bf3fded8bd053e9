import { fail } from '../../proxy/contract/errors.ts';
import { AppSettings } from '../../main/contract/views.ts';
import type { Bridge } from '../../main/contract/bridge.ts';

const settingsKey = 'postern.settings';
const defaults: AppSettings = { theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' };

/** Settings of this browser. What cannot be read counts as not set. */
export function localSettings(storage: Storage): Bridge['settings'] {
  const get = (): AppSettings => {
    try {
      const parsed = AppSettings.safeParse(JSON.parse(storage.getItem(settingsKey) ?? '{}'));
      return parsed.success ? parsed.data : defaults;
    } catch {
      return defaults;
    }
  };
  return {
    get: () => Promise.resolve(get()),
    set: (change) => {
      const next = { ...get(), ...change };
      try {
        storage.setItem(settingsKey, JSON.stringify(next));
      } catch (error) {
        return Promise.reject(fail('ERR_INTERNAL', { message: 'This browser keeps no settings for this site.', cause: error }));
      }
      return Promise.resolve(next);
    },
  };
}

export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}

const keptMs = 60_000;

/** Hands the text to the browser's own download. */
export function saveText(name: string, text: string): Promise<boolean> {
  const safe = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 100);
  if (safe === '') return Promise.reject(fail('ERR_INVALID_INPUT', { message: 'The file needs a name.' }));
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = safe;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), keptMs);
  return Promise.resolve(true);
}

/** Takes `#enrol=<code>` out of the address before anything else sees it, also out of the history. */
export function takeEnrolmentCode(location: Location, history: History): string | null {
  const [, code] = /^#enrol=(postern-enrol(?::|%3A)[A-Za-z0-9_-]{1,4096})$/i.exec(location.hash) ?? [];
  if (location.hash.startsWith('#enrol=')) history.replaceState(null, '', `${location.pathname}${location.search}`);
  return code === undefined ? null : code.replace(/%3A/i, ':');
}
