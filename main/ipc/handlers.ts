import { basename } from 'node:path';
import { api, type RouteName } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { NotifyName } from '../contract/channels.ts';
import type { NotifyValue } from '../contract/ipc.ts';
import type { AppSettings, Attention } from '../contract/views.ts';
import type { ClipboardPort, Core, DialogPort } from '../ports.ts';
import type { LocalSupervision } from '../service/supervision.ts';
import type { IpcHandlers } from './answer.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Sends to the screens; what is sent while there are none is dropped. */
export type Notify = <K extends NotifyName>(name: K, value: NotifyValue<K>) => void;

export interface HandlerParts {
  readonly core: Core;
  readonly service: LocalSupervision;
  readonly settings: { current(): AppSettings; set(change: Partial<AppSettings>): Promise<AppSettings> };
  readonly subscriptions: Subscriptions;
  readonly attention: AttentionQueue;
  readonly dialog: DialogPort;
  readonly clipboard: ClipboardPort;
  readonly writeChosen: (path: string, text: string) => Promise<void>;
  readonly notify: Notify;
}

export function ipcHandlers(parts: HandlerParts): IpcHandlers {
  const { core, service, settings, subscriptions } = parts;
  return {
    'appliances.list': () => core.appliances.list(),
    'appliances.enrol': (input) => core.appliances.enrol(input),
    'appliances.sign-in': ({ appliance, passphrase }) => core.appliances.signIn(appliance, passphrase),
    'appliances.sign-out': ({ appliance }) => nothing(core.appliances.signOut(appliance)),
    'appliances.forget': ({ appliance }) => nothing(core.appliances.forget(appliance)),
    call: ({ appliance, name, input }) => core.call(appliance, name, checked(name, input)),
    subscribe: ({ appliance, name, input }) => subscriptions.add({ appliance, name, input: checked(name, input) }),
    unsubscribe: ({ id }) => {
      subscriptions.remove(id);
      return null;
    },
    decide: ({ seconds, ...input }) => core.decide({ ...input, ...(seconds !== undefined && { seconds }) }),
    'witness.states': () => core.witness.states(),
    'service.status': () => service.status(),
    'service.run': ({ verb }) => service.run(verb),
    'settings.get': () => settings.current(),
    'settings.set': (change) => settings.set(withoutUndefined(change)),
    copy: async ({ text }) => {
      await parts.clipboard.write(text);
      return null;
    },
    'save-text': ({ name, text }) => saveText(parts, name, text),
    listening: ({ name }) => nothing(current(parts, name)),
  };
}

/** What the shell wants on the screen, kept until there is a screen that listens. */
export class AttentionQueue {
  readonly #send: (wanted: Attention) => void;
  #waiting: Attention[] = [];
  #isHeard = false;

  constructor(send: (wanted: Attention) => void) {
    this.#send = send;
  }

  push(wanted: Attention): void {
    if (this.#isHeard) this.#send(wanted);
    // only the newest of a kind is worth showing late
    else this.#waiting = [...this.#waiting.filter(({ kind }) => kind !== wanted.kind), wanted];
  }

  heard(): void {
    this.#isHeard = true;
    for (const wanted of this.#waiting.splice(0)) this.#send(wanted);
  }

  /** The page has gone. */
  lost(): void {
    this.#isHeard = false;
  }
}

/** The input as the screens gave it, once the route's own schema takes it; the service parses it again. */
function checked<T extends object>(name: RouteName, input: T): T {
  const parsed = api[name].input.safeParse(input);
  if (parsed.success) return input;
  throw fail('ERR_INVALID_INPUT', {
    faults: parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.').slice(0, 200), message })),
  });
}

/** The screens propose a name, never a place. */
async function saveText({ dialog, writeChosen }: HandlerParts, name: string, text: string): Promise<boolean> {
  const proposal = basename(name.replaceAll('\\', '/'))
    .replaceAll(/[^A-Za-z0-9._ -]/g, '_')
    .replace(/^[. ]+/, '');
  const path = await dialog.saveFile(proposal === '' ? 'postern.txt' : proposal);
  if (path === null) return false;
  await writeChosen(path, text);
  return true;
}

async function current({ core, service, attention, notify }: HandlerParts, name: NotifyName): Promise<void> {
  switch (name) {
    case 'appliances':
      notify(name, await core.appliances.list());
      return;
    case 'witness':
      notify(name, await core.witness.states());
      return;
    case 'service':
      notify(name, await service.status());
      return;
    case 'attention':
      attention.heard();
      return;
    case 'stream':
      return;
  }
}

async function nothing(done: Promise<void>): Promise<null> {
  await done;
  return null;
}

function withoutUndefined(change: { readonly [K in keyof AppSettings]?: AppSettings[K] | undefined }): Partial<AppSettings> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
