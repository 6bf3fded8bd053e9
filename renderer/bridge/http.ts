import { api, type Input, type Output, type StreamName } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { followed } from '../../proxy/contract/server-events.ts';
import { AppError, reasonOf } from '../../proxy/lib/errors.ts';
import type { Bridge, StreamListener, Unsubscribe } from '../../main/contract/bridge.ts';
import type { ApplianceView, Attention } from '../../main/contract/views.ts';
import { applianceId, Account } from './http-account.ts';
import { Transport } from './http-transport.ts';
import { BrowserWitness } from './http-witness.ts';
import { copyText, localSettings, saveText } from './browser.ts';

interface Surroundings {
  /** of the page: also the service */
  readonly origin: string;
  readonly fetch: typeof globalThis.fetch;
  readonly appVersion: string;
  /** keeps the settings of this browser */
  readonly storage: Storage;
  /** an enrolment code that came with the address */
  readonly enrolmentCode: string | null;
}

/** The console in a browser: it came from the one service that it knows. */
export function httpBridge({ origin, fetch, appVersion, storage, enrolmentCode }: Surroundings): Bridge {
  const transport = new Transport(origin, fetch);
  const account = new Account(transport, origin);
  const witness = new BrowserWitness(transport, account);
  const started = account.start();
  let waitingCode = enrolmentCode;
  account.view.watch(({ state }) => {
    if (state === 'signed-in') void witness.check();
  });
  const viewOf = async (act: Promise<void>): Promise<ApplianceView> => {
    await act;
    return account.view.value;
  };
  return {
    kind: 'http',
    appVersion,
    appliances: {
      list: async () => {
        await started;
        return [account.view.value];
      },
      watch: (listener) => account.view.watch((view) => listener([view])),
      enrol: ({ code }) => viewOf(started.then(() => account.enrol(code))),
      signIn: (appliance) => viewOf(known(appliance, () => account.signIn())),
      signOut: (appliance) => known(appliance, () => account.signOut()),
      forget: (appliance) => known(appliance, () => account.forget()),
    },
    call: (appliance, name, input) => known(appliance, () => withSignIn(account, () => transport.call(name, input))),
    subscribe: (_appliance, name, input, listener) => subscribe({ transport, account, witness }, name, input, listener),
    decide: (input) =>
      known(input.appliance, async () => {
        await witness.assertTrusted();
        return withSignIn(account, () => account.decide(input));
      }),
    witness: {
      states: () => Promise.resolve(witness.states.value),
      watch: (listener) => witness.states.watch(listener),
    },
    service: null,
    settings: localSettings(storage),
    attention: (listener) => {
      const code = waitingCode;
      // shown once, however often somebody listens anew
      waitingCode = null;
      if (code !== null) queueMicrotask(() => listener({ kind: 'enrol', code } satisfies Attention));
      return () => undefined;
    },
    copy: copyText,
    saveText,
  };
}

async function known<T>(appliance: string, act: () => Promise<T>): Promise<T> {
  if (appliance !== applianceId) throw fail('ERR_NOT_FOUND', { message: 'The console knows the service it came from only.' });
  return act();
}

/** A sign-in that has ended is made anew, once, without asking: the key lies here. */
async function withSignIn<T>(account: Account, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'ERR_UNAUTHENTICATED' || account.view.value.state !== 'signed-in') throw error;
    account.lost();
    await account.signIn();
    return act();
  }
}

interface Parts {
  readonly transport: Transport;
  readonly account: Account;
  readonly witness: BrowserWitness;
}

function subscribe<K extends StreamName>(parts: Parts, name: K, input: Input<K>, listener: StreamListener<K>): Unsubscribe {
  const gone = new AbortController();
  const source =
    'stream' in api[name] && api[name].stream === 'events'
      ? eventsOf(parts, { name, input, listener, signal: gone.signal })
      : parts.transport.lines(name, input, gone.signal);
  void (async () => {
    try {
      for await (const item of source) {
        if (gone.signal.aborted) return;
        listener.item(item);
      }
      if (!gone.signal.aborted) listener.end?.();
    } catch (error) {
      if (!gone.signal.aborted) listener.fault?.(error instanceof Error ? error : fail('ERR_INTERNAL', { message: reasonOf(error) }));
    }
  })();
  return () => gone.abort();
}

interface Subscription<K extends StreamName> {
  readonly name: K;
  readonly input: Input<K>;
  readonly listener: StreamListener<K>;
  readonly signal: AbortSignal;
}

function eventsOf<K extends StreamName>({ transport, account, witness }: Parts, { name, input, listener, signal }: Subscription<K>): AsyncGenerator<Output<K>> {
  let broken = false;
  const connect = async function* (after: number | undefined): AsyncGenerator<Output<K>> {
    // a service that was started again knows no earlier sign-in; a person who signed out stays out
    if (account.view.value.state === 'enrolled') throw fail('ERR_FORBIDDEN', { message: 'You are signed out.' });
    if (broken) await account.signIn();
    broken = false;
    listener.state?.({ state: 'open' });
    account.answers(true);
    for await (const event of transport.events(name, { input, after, signal })) {
      void witness.check();
      yield event;
    }
  };
  const lost = (error: unknown): void => {
    if (signal.aborted) return;
    broken = true;
    const why = error === null ? 'The service closed the connection.' : reasonOf(error);
    listener.state?.({ state: 'lost', why });
    account.answers(false, why);
  };
  const passes = (error: unknown): boolean => !signal.aborted && error instanceof AppError && passing.has(String(error.code));
  // streams of events all have an id; the compiler cannot see it through the generic
  return followed({ connect: connect as (after: number | undefined) => AsyncGenerator<Output<K> & { id: number }>, passes, pause: pauseUntil(signal), lost });
}

const passing = new Set<string>(['ERR_CONTROL_UNAVAILABLE', 'ERR_TIMEOUT', 'ERR_TOO_MANY_CONNECTIONS', 'ERR_AUDIT_UNAVAILABLE', 'ERR_UNAUTHENTICATED']);

function pauseUntil(signal: AbortSignal): (milliseconds: number) => Promise<void> {
  return (milliseconds) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      });
    });
}
