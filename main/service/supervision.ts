import type { Secret } from '../../proxy/lib/secret.ts';
import type { Unsubscribe } from '../contract/bridge.ts';
import type { LocalService, ServiceVerb } from '../contract/views.ts';

/** The service on this machine, whoever runs it: the operating system (`installed-unit.ts`) or this app, from source (`source-child.ts`). */
export interface LocalSupervision {
  status(): Promise<LocalService>;
  /** told of each change, not of what is now */
  watch(listener: (service: LocalService) => void): Unsubscribe;
  /** Throws ERR_CONFLICT when the verb does not fit the state. */
  run(verb: ServiceVerb): Promise<LocalService>;
  /** The one-time code of the first administrator, while there is none; null: there is one, or it is not for us to know. */
  setupCode(): Promise<Secret<string> | null>;
  /** Ends what belongs to the app alone, within about `milliseconds`; an installed service goes on. */
  close(milliseconds: number): Promise<void>;
}

/** The last value, told to listeners when it differs. */
export class Told {
  readonly #listeners = new Set<(service: LocalService) => void>();
  #last = '';

  watch(listener: (service: LocalService) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  tell(service: LocalService): void {
    const text = JSON.stringify(service);
    if (text === this.#last) return;
    this.#last = text;
    for (const listener of this.#listeners) listener(service);
  }
}
