import type { Output } from '../../proxy/contract/api.ts';
import { asAppError, fail } from '../../proxy/contract/errors.ts';
import { Announcer } from '../approvals/announcer.ts';
import { decide } from '../approvals/deciding.ts';
import type { Bridge, DecisionInput, Unsubscribe } from '../contract/bridge.ts';
import type { ApplianceView, EnrolInput, WitnessState } from '../contract/views.ts';
import type { Core, CorePorts } from '../ports.ts';
import { WitnessBook } from '../witness/witness-book.ts';
import { Witness } from '../witness/witness.ts';
import { ApplianceBook, type ApplianceRecord } from './appliance-record.ts';
import { EnrolledAppliance } from './enrolled-appliance.ts';
import { enrol } from './enrolling.ts';

interface Known {
  readonly appliance: EnrolledAppliance;
  readonly witness: Witness;
}

/** All that the bridge answers from the services. Reads what is stored, and connects to every service at once. */
export async function openCore(ports: CorePorts): Promise<Core> {
  const [book, witnesses] = await Promise.all([ApplianceBook.open(ports.dir, ports.files), WitnessBook.open(ports.dir, ports.files)]);
  const appliances = new Appliances(ports, book, witnesses);
  for (const record of book.all()) appliances.add(record);
  return appliances;
}

class Appliances implements Core {
  readonly appliances: Bridge['appliances'];
  readonly witness: Bridge['witness'];
  readonly call: Bridge['call'];
  readonly subscribe: Bridge['subscribe'];
  readonly #ports: CorePorts;
  readonly #book: ApplianceBook;
  readonly #witnesses: WitnessBook;
  readonly #announcer: Announcer;
  readonly #known = new Map<string, Known>();
  readonly #watchers = new Set<(appliances: readonly ApplianceView[]) => void>();
  readonly #witnessWatchers = new Set<(states: readonly WitnessState[]) => void>();
  #enrolling: Promise<unknown> = Promise.resolve();

  constructor(ports: CorePorts, book: ApplianceBook, witnesses: WitnessBook) {
    this.#ports = ports;
    this.#book = book;
    this.#witnesses = witnesses;
    const details = (appliance: string, id: string): Promise<Output<'showRequest'>> => this.#need(appliance).appliance.call('showRequest', { id });
    const nameOf = (appliance: string): string | null => this.#known.get(appliance)?.appliance.view.name ?? null;
    this.#announcer = new Announcer({ ...ports, nameOf, details, decide: (decision) => this.decide(decision) });
    this.appliances = this.#listed();
    this.witness = {
      states: () => this.#states(),
      watch: (listener) => {
        this.#witnessWatchers.add(listener);
        void this.#states().then(listener);
        return () => void this.#witnessWatchers.delete(listener);
      },
    };
    // a service that is not known rejects, whatever the caller does with it
    this.call = async (appliance, name, input) => this.#need(appliance).appliance.call(name, input);
    this.subscribe = (appliance, name, input, listener): Unsubscribe => {
      try {
        return this.#need(appliance).appliance.subscribe(name, input, listener);
      } catch (error) {
        listener.fault?.(asAppError(error));
        return () => undefined;
      }
    };
  }

  async decide(input: DecisionInput): Promise<Output<'decideRequest'>> {
    const distrust = (appliance: string): string | null => this.#need(appliance).witness.distrust;
    return decide(input, this.#need(input.appliance).appliance, { clock: this.#ports.clock, distrust });
  }

  add(record: ApplianceRecord): void {
    const { id } = record;
    const told = (): Known | undefined => (this.#known.get(id)?.appliance === appliance ? this.#known.get(id) : undefined);
    const appliance = new EnrolledAppliance(record, this.#ports, {
      changed: () => this.#changed(),
      signedIn: () => told()?.witness.signedIn(),
      waiting: async (requests) => {
        if (told()) await this.#announcer.waiting(id, requests);
      },
      request: async (request) => {
        if (told()) await this.#announcer.request(id, request);
      },
      topics: (topics) => {
        if (topics.includes('audit')) told()?.witness.grew();
      },
      left: () => this.#announcer.left(id),
    });
    const witness = new Witness(appliance, {
      book: this.#witnesses,
      clock: this.#ports.clock,
      log: this.#ports.log,
      changed: (why) => this.#witnessed(id, why),
    });
    this.#known.set(id, { appliance, witness });
    if (witness.alarm !== null) this.#announcer.alarm(id, witness.alarm);
    appliance.start();
    this.#changed();
  }

  async close(): Promise<void> {
    for (const { appliance, witness } of this.#known.values()) {
      appliance.close();
      witness.close();
    }
    this.#announcer.close();
    await this.#ports.notifier.close();
  }

  #listed(): Bridge['appliances'] {
    return {
      list: () => Promise.resolve(this.#views()),
      watch: (listener) => {
        this.#watchers.add(listener);
        listener(this.#views());
        return () => void this.#watchers.delete(listener);
      },
      enrol: (input) => this.#enrol(input),
      signIn: async (id, passphrase) => {
        const { appliance } = this.#need(id);
        await appliance.signIn(passphrase ?? null);
        return appliance.view;
      },
      signOut: async (id) => this.#need(id).appliance.signOut(),
      forget: (id) => this.#forget(id),
    };
  }

  /** One after the other: two codes of one person must not become two entries. */
  #enrol(input: EnrolInput): Promise<ApplianceView> {
    const enrolled = this.#enrolling.then(async () => {
      const record = await enrol(input, { book: this.#book, keychain: this.#ports.keychain, clock: this.#ports.clock });
      this.#drop(record.id);
      this.add(record);
      const { appliance } = this.#need(record.id);
      await appliance.signIn(input.passphrase ?? null);
      return appliance.view;
    });
    this.#enrolling = enrolled.catch(() => undefined);
    return enrolled;
  }

  async #forget(id: string): Promise<void> {
    const { appliance } = this.#need(id);
    await appliance.signOut();
    this.#drop(id);
    await this.#book.remove(id);
    await this.#witnesses.remove(id);
    this.#announcer.calm(id);
    this.#changed();
    await this.#toldWitnesses();
  }

  #drop(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    known.appliance.close();
    known.witness.close();
    this.#known.delete(id);
    this.#announcer.left(id);
  }

  #views(): ApplianceView[] {
    return [...this.#known.values()].map(({ appliance }) => appliance.view);
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher(this.#views());
  }

  #witnessed(id: string, alarm: string | null): void {
    if (alarm !== null) this.#announcer.alarm(id, alarm);
    void this.#toldWitnesses();
  }

  async #toldWitnesses(): Promise<void> {
    const states = await this.#states();
    for (const watcher of this.#witnessWatchers) watcher(states);
  }

  #states(): Promise<WitnessState[]> {
    return Promise.all([...this.#known.values()].map(({ witness }) => witness.state()));
  }

  #need(id: string): Known {
    const known = this.#known.get(id);
    if (known === undefined) throw fail('ERR_NOT_FOUND', { message: 'This service is not known here.', hint: 'Enrol with a code from its administrator.' });
    return known;
  }
}
