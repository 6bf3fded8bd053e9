import type { Input, Output, StreamName } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { Bridge, CallName, StreamListener } from '../../main/contract/bridge.ts';
import type { ApplianceView, AppSettings, LocalService, WitnessState } from '../../main/contract/views.ts';
import * as sample from './fake-data.fake.ts';
import { Watched } from './watched.ts';

type Answers = { readonly [K in CallName]?: (input: Input<K>) => Output<K> };

/** What a test wants otherwise. */
export interface FakeOptions {
  readonly appliances?: readonly ApplianceView[];
  readonly service?: LocalService | null;
  readonly witness?: readonly WitnessState[];
  /** instead of the sample answers; one that throws is a fault on the screen */
  readonly answers?: Answers;
  /** items that a stream gives at once */
  readonly streams?: { readonly [K in StreamName]?: readonly Output<K>[] };
}

function page<T>(items: readonly T[]): { items: T[]; next: null } {
  return { items: [...items], next: null };
}

function found<T extends { readonly name: string }>(items: readonly T[], name: string): T {
  const item = items.find((each) => each.name === name);
  if (item === undefined) throw fail('ERR_NOT_FOUND');
  return item;
}

const answers: Answers = {
  whoAmI: () => ({
    name: 'olivia',
    kind: 'administrator',
    roles: ['administrator', 'auditor', 'approver'],
    user: sample.users[0] ?? null,
    service: 'shop.example/postern',
    version: '0.1.0',
  }),
  status: () => sample.status,
  overview: () => sample.overview,
  listRequests: ({ status }) => page(sample.requests.filter((request) => status === undefined || request.status === status)),
  listSessions: ({ state }) => page(sample.sessions(40).filter((session) => state === undefined || session.state === state)),
  listResources: () => page(sample.resources),
  showResource: ({ name }) => found(sample.resources, name),
  listTools: ({ resource, state }) =>
    page(
      sample.toolPins.filter(
        (pin) => (resource === undefined || pin.resource === resource) && (state === undefined || (state === 'agreed') === (pin.approved === pin.offered)),
      ),
    ),
  listTrustRules: () => page(sample.trustRules),
  listServiceAccounts: () => page(sample.serviceAccounts),
  listUsers: () => page(sample.users),
  listGrants: () => page([]),
  listTokens: () => page([]),
  listWitnesses: () => page([]),
  listWebhooks: () => page([]),
  testResource: () => ({ reached: true, detail: 'logged in', durationMs: 18 }),
};

/** The bridge without a service: typed, in memory, always the same. Never part of a build. */
export function fakeBridge(options: FakeOptions = {}): Bridge {
  const appliances = new Watched<readonly ApplianceView[]>(options.appliances ?? [sample.appliance]);
  const service = new Watched<LocalService>(options.service ?? sample.service);
  const witness = new Watched<readonly WitnessState[]>(options.witness ?? []);
  let settings: AppSettings = { theme: 'system', closeToTray: null, launchAtLogin: false, notifications: 'all' };
  const change = (id: string, part: Partial<ApplianceView>): ApplianceView => {
    const found = appliances.value.find((appliance) => appliance.id === id);
    if (!found) throw fail('ERR_NOT_FOUND');
    const view = { ...found, ...part };
    appliances.set(appliances.value.map((appliance) => (appliance.id === id ? view : appliance)));
    return view;
  };
  return {
    kind: 'fake',
    appVersion: '0.1.0',
    appliances: {
      list: async () => appliances.value,
      watch: (listener) => appliances.watch(listener),
      enrol: async () => {
        appliances.set([sample.appliance]);
        return sample.appliance;
      },
      signIn: async (id) => change(id, { state: 'signed-in', roles: sample.appliance.roles }),
      signOut: async (id) => void change(id, { state: 'enrolled', roles: [] }),
      forget: async (id) => appliances.set(appliances.value.filter((appliance) => appliance.id !== id)),
    },
    call: async (_appliance, name, input) => answerOf(options, name, input),
    subscribe: (_appliance, name, _input, listener) => streamOf(options, name, listener),
    decide: async ({ request, verdict }) => {
      const found = sample.requests.find(({ id }) => id === request);
      if (!found) throw fail('ERR_NOT_FOUND');
      return { ...found, status: verdict === 'approve' ? 'approved' : 'denied' };
    },
    witness: { states: async () => witness.value, watch: (listener) => witness.watch(listener) },
    service:
      options.service === null ? null : { status: async () => service.value, watch: (listener) => service.watch(listener), run: async () => service.value },
    settings: {
      get: async () => settings,
      set: async (part) => {
        settings = { ...settings, ...part };
        return settings;
      },
    },
    attention: () => () => undefined,
    copy: async () => undefined,
    saveText: async () => true,
  };
}

function answerOf<K extends CallName>(options: FakeOptions, name: K, input: Input<K>): Output<K> {
  const answer = options.answers?.[name] ?? answers[name];
  if (!answer) throw fail('ERR_NOT_FOUND', { message: `There is no sample answer of ${name}.` });
  return answer(input);
}

function streamOf<K extends StreamName>({ streams }: FakeOptions, name: K, listener: StreamListener<K>): () => void {
  const items = streams?.[name] ?? [];
  queueMicrotask(() => {
    listener.state?.({ state: 'open' });
    for (const item of items) listener.item(item);
  });
  return () => undefined;
}
