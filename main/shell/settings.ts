import { join } from 'node:path';
import { AppSettings } from '../contract/views.ts';
import type { FilesPort, SettingsPort } from '../ports.ts';

const usual: AppSettings = { theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' };
const maxBytes = 16_384;

/** What a person has chosen for this app; nothing here decides about access. */
export class Settings implements SettingsPort {
  readonly #path: string;
  readonly #files: FilesPort;
  readonly #listeners = new Set<(settings: AppSettings) => void>();
  #current: AppSettings;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(path: string, files: FilesPort, current: AppSettings) {
    this.#path = path;
    this.#files = files;
    this.#current = current;
  }

  /** A member that is missing or not understood (an older or newer app wrote it) has its usual value. */
  static async open(dir: string, files: FilesPort): Promise<Settings> {
    const path = join(dir, 'settings.json');
    return new Settings(path, files, await readOrUsual(path, files));
  }

  current(): AppSettings {
    return this.#current;
  }

  changed(listener: (settings: AppSettings) => void): void {
    this.#listeners.add(listener);
  }

  /** Written before it acts; two changes at once are both kept. */
  set(change: Partial<AppSettings>): Promise<AppSettings> {
    const done = this.#last.then(async () => {
      const wanted = AppSettings.parse({ ...this.#current, ...change });
      await this.#files.write(this.#path, `${JSON.stringify(wanted, null, 2)}\n`);
      this.#current = wanted;
      for (const listener of this.#listeners) listener(wanted);
      return wanted;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function readOrUsual(path: string, files: FilesPort): Promise<AppSettings> {
  let value: unknown;
  try {
    value = JSON.parse((await files.read(path, maxBytes)) ?? '{}');
  } catch {
    return usual;
  }
  const found: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const understood = Object.entries(found).filter(([key, member]) => AppSettings.partial().safeParse({ [key]: member }).success);
  return { ...usual, ...Object.fromEntries(understood) };
}
