import { AppError, type InputFault } from '../../proxy/lib/errors.ts';
import type { Output, StreamName } from '../../proxy/contract/api.ts';
import type { Answer, InvokeInput, InvokeOutput, IpcError, ShellBridge, StreamMessage } from '../../main/contract/ipc.ts';
import type { InvokeName, NotifyName } from '../../main/contract/channels.ts';
import type { Bridge, StreamListener } from '../../main/contract/bridge.ts';

declare global {
  interface Window {
    /** put there by the preload script of the app; absent in a browser */
    readonly postern?: ShellBridge;
  }
}

/** The app's window: everything is done by the shell; this only carries it. */
export function electronBridge(shell: ShellBridge): Bridge {
  const ask = async <K extends InvokeName>(name: K, input: InvokeInput<K>): Promise<InvokeOutput<K>> => valueOf(await shell.invoke(name, input));
  const done = async <K extends InvokeName>(name: K, input: InvokeInput<K>): Promise<void> => {
    await ask(name, input);
  };
  const streams = new Streams(shell);
  return {
    kind: 'electron',
    appVersion: shell.appVersion,
    appliances: {
      list: () => ask('appliances.list', {}),
      watch: (listener) => shell.listen('appliances' satisfies NotifyName, listener),
      enrol: (input) => ask('appliances.enrol', input),
      signIn: (appliance, passphrase) => ask('appliances.sign-in', { appliance, ...(passphrase !== undefined && { passphrase }) }),
      signOut: (appliance) => done('appliances.sign-out', { appliance }),
      forget: (appliance) => done('appliances.forget', { appliance }),
    },
    // the shell answers with what the route says; the types of `ipc` carry every route at once
    call: async (appliance, name, input) => (await ask('call', { appliance, name, input })) as Output<typeof name>,
    subscribe: (appliance, name, input, listener) => streams.open(listener, () => ask('subscribe', { appliance, name, input })),
    decide: (input) => ask('decide', input),
    witness: {
      states: () => ask('witness.states', {}),
      watch: (listener) => shell.listen('witness', listener),
    },
    service: {
      status: () => ask('service.status', {}),
      watch: (listener) => shell.listen('service', listener),
      run: (verb) => ask('service.run', { verb }),
    },
    settings: {
      get: () => ask('settings.get', {}),
      set: (change) => ask('settings.set', change),
    },
    attention: (listener) => shell.listen('attention', listener),
    copy: (text) => done('copy', { text }),
    saveText: (name, text) => ask('save-text', { name, text }),
  };
}

function valueOf<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw errorOf(answer.error);
}

function errorOf({ code, message, hint, faults }: IpcError): AppError {
  const more: { hint?: string; faults?: readonly InputFault[] } = { ...(hint !== undefined && { hint }), ...(faults && { faults }) };
  return new AppError(code, message, more);
}

/** Live views by the ids that the shell gave them. */
class Streams {
  readonly #shell: ShellBridge;
  readonly #listeners = new Map<string, (message: StreamMessage) => void>();
  #listening = false;

  constructor(shell: ShellBridge) {
    this.#shell = shell;
  }

  open<K extends StreamName>(listener: StreamListener<K>, subscribe: () => Promise<string>): () => void {
    this.#listen();
    const opened = { id: '', closed: false };
    subscribe().then(
      (id) => {
        opened.id = id;
        if (opened.closed) this.#close(id);
        else this.#listeners.set(id, (message) => deliver(listener, message));
      },
      (error: unknown) => {
        if (!opened.closed && error instanceof Error) listener.fault?.(error);
      },
    );
    return () => {
      if (opened.closed) return;
      opened.closed = true;
      if (opened.id !== '') this.#close(opened.id);
    };
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#shell.listen('stream', (message) => this.#listeners.get(message.id)?.(message));
  }

  #close(id: string): void {
    this.#listeners.delete(id);
    // the shell closes it with the window at the latest
    this.#shell.invoke('unsubscribe', { id }).catch(() => undefined);
  }
}

function deliver<K extends StreamName>(listener: StreamListener<K>, message: StreamMessage): void {
  if (message.kind === 'items') for (const value of message.values) listener.item(value as Output<K>);
  else if (message.kind === 'end') listener.end?.();
  else if (message.kind === 'fault') listener.fault?.(errorOf(message.error));
  else listener.state?.(message.state);
}
