import { sha256 } from '@noble/hashes/sha2.js';
import type { WitnessState } from '../../main/contract/views.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { AppError, reasonOf } from '../../proxy/lib/errors.ts';
import { fromBase64, toBase64 } from '../../proxy/proof/bytes.ts';
import { parseCheckpoint } from '../../proxy/proof/checkpoint.ts';
import { newWitnessMemory, witnessStep, type WitnessMemory, type WitnessStep } from '../../proxy/proof/cosignature.ts';
import { kept, verify } from './device-key.ts';
import { applianceId, type Account } from './http-account.ts';
import type { Transport } from './http-transport.ts';
import { Watched } from './watched.ts';

const proving = { sha256, verify };
/** a busy log grows with every event: once a minute is enough to notice */
const restMs = 60_000;

/** Keeps the newest checkpoint this browser saw, and checks every later one against it. It does not cosign. */
export class BrowserWitness {
  readonly states = new Watched<readonly WitnessState[]>([]);
  readonly #transport: Transport;
  readonly #account: Account;
  #checking: Promise<void> | null = null;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(transport: Transport, account: Account) {
    this.#transport = transport;
    this.#account = account;
  }

  /** At every contact; never twice at a time, nor more than once a minute. */
  check(): Promise<void> {
    if (performance.now() - this.#checkedAt < restMs) return this.#checking ?? Promise.resolve();
    this.#checkedAt = performance.now();
    this.#checking ??= this.#check()
      .catch((error: unknown) => this.#say({ detail: reasonOf(error) }))
      .finally(() => (this.#checking = null));
    return this.#checking;
  }

  /** Throws ERR_VERIFICATION_FAILED once the log was rolled back or forked: nothing is decided at such a service. */
  async assertTrusted(): Promise<void> {
    const alarm = (await kept.witness())?.alarm ?? null;
    if (alarm === null) return;
    throw fail('ERR_VERIFICATION_FAILED', { message: `Nothing is decided here: ${alarm.why}`, hint: 'Tell the auditor, and keep this browser as it is.' });
  }

  async #check(): Promise<void> {
    const { service } = this.#account;
    if (service === null) return;
    const memory = (await kept.witness()) ?? newWitnessMemory(service);
    const step = await this.#step(memory);
    // before anything rests on it
    await kept.putWitness(step.memory);
    this.#tell(step);
  }

  async #step(memory: WitnessMemory): Promise<WitnessStep> {
    const { checkpoint: note, key } = await this.#transport.call('auditCheckpoint', {});
    const step = await witnessStep(memory, { note, key, proof: null }, proving);
    if (step.verdict !== 'unproven') return step;
    const hashes = await this.#proof(step.from, step.size);
    return witnessStep(memory, { note, key, proof: hashes }, proving);
  }

  async #proof(from: number, size: number): Promise<Uint8Array[]> {
    try {
      const { hashes } = await this.#transport.call('auditConsistency', { from, size });
      // what is no hash makes a proof that does not hold
      return hashes.map((hash) => fromBase64(hash) ?? new Uint8Array(0));
    } catch (error) {
      // a service that cannot be reached proves nothing either way; one that knows no proof does
      if (error instanceof AppError && (error.code === 'ERR_NOT_FOUND' || error.code === 'ERR_INVALID_INPUT')) return [];
      throw error;
    }
  }

  #tell(step: WitnessStep): void {
    const checkedAt = new Date().toISOString();
    if (step.verdict === 'alarm') this.#say({ state: 'alarm', detail: step.why, checkedAt, ...headOf(step.memory) });
    else if (step.verdict === 'unproven') this.#say({ detail: 'The service gave no proof that its log only grew.' });
    else this.#say({ state: 'consistent', size: step.checkpoint.size, root: toBase64(step.checkpoint.root), checkedAt, detail: '' });
  }

  #say(change: Partial<WitnessState>): void {
    const [before] = this.states.value;
    const unknown: WitnessState = { appliance: applianceId, state: 'waiting', size: null, root: null, checkedAt: null, cosignedAt: null, detail: '' };
    this.states.set([{ ...unknown, ...before, ...change }]);
  }
}

/** The newest checkpoint that was consistent. */
function headOf({ kept: note }: WitnessMemory): Pick<WitnessState, 'size' | 'root'> {
  const checkpoint = note === null ? null : parseCheckpoint(`${note.split('\n\n')[0] ?? ''}\n`);
  return checkpoint === null ? { size: null, root: null } : { size: checkpoint.size, root: toBase64(checkpoint.root) };
}
