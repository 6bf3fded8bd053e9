import { createHash, createPublicKey, verify } from 'node:crypto';
import { fail } from '../../proxy/contract/errors.ts';
import { AppError, reasonOf } from '../../proxy/lib/errors.ts';
import { fromBase64, fromBase64url, toBase64, type Sha256, type VerifyEd25519 } from '../../proxy/proof/bytes.ts';
import { openCheckpoint } from '../../proxy/proof/checkpoint.ts';
import {
  formatWitnessKey,
  newWitnessMemory,
  parseWitnessKey,
  signCosignature,
  witnessBytes,
  witnessStep,
  type Proving,
  type SeenCheckpoint,
  type WitnessStep,
} from '../../proxy/proof/cosignature.ts';
import { parseVerifierKey } from '../../proxy/proof/note.ts';
import type { EnrolledAppliance } from '../appliances/enrolled-appliance.ts';
import type { WitnessState } from '../contract/views.ts';
import type { ClockPort, LogPort } from '../ports.ts';
import type { WitnessBook, WitnessEntry } from './witness-book.ts';

export interface WitnessPorts {
  readonly book: WitnessBook;
  readonly clock: ClockPort;
  readonly log: LogPort;
  /** the state is another one; `alarmed`: it was not before */
  readonly changed: (alarmed: string | null) => void;
}

type Consistent = Extract<WitnessStep, { verdict: 'first' | 'same' | 'grown' }>;

const contactEveryMs = 60_000;
const cosignEveryMs = 600_000;
const maxRounds = 5;
/** how long decisions go on while the log cannot be checked */
const maxUncheckedMs = 600_000;

const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const verifyEd25519: VerifyEd25519 = (publicKey, message, signature) => {
  const x = Buffer.from(publicKey).toString('base64url');
  return verify(null, message, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature);
};
const proving: Proving = { sha256, verify: verifyEd25519 };

/**
 * Keeps the newest checkpoint of one log, checks at every contact that the log only grew, and cosigns. An alarm is stored before
 * anybody is told of it, and stays until a person forgets the service.
 */
export class Witness {
  readonly #appliance: EnrolledAppliance;
  readonly #ports: WitnessPorts;
  #entry: WitnessEntry;
  #head: { size: number; root: string } | null = null;
  #looking: Promise<void> | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #cancelLater: (() => void) | null = null;
  #fault = '';
  /** of the first look in a row that failed */
  #failingSince: number | null = null;
  #isClosed = false;

  constructor(appliance: EnrolledAppliance, ports: WitnessPorts) {
    this.#appliance = appliance;
    this.#ports = ports;
    const { id, service } = appliance.record;
    this.#entry = ports.book.find(id) ?? { appliance: id, memory: newWitnessMemory(service), checkedAt: null, cosignedAt: null, witnessId: null };
  }

  /** Why nothing of this service is to be trusted; null: nothing speaks against it. */
  get alarm(): string | null {
    return this.#entry.memory.alarm?.why ?? null;
  }

  /** Why nothing may be decided here: an alarm, or a service that has answered for a while and not let its log be checked. */
  get distrust(): string | null {
    if (this.alarm !== null) return this.alarm;
    const isLong = this.#failingSince !== null && this.#ports.clock.now() - this.#failingSince >= maxUncheckedMs;
    return isLong ? `its log could not be checked since ${new Date(this.#failingSince ?? 0).toISOString()}.` : null;
  }

  async state(): Promise<WitnessState> {
    const { appliance, checkedAt, cosignedAt, memory } = this.#entry;
    this.#head ??= await headOf(this.#entry);
    const state = this.alarm !== null ? 'alarm' : memory.kept === null ? 'waiting' : 'consistent';
    return { appliance, state, size: this.#head?.size ?? null, root: this.#head?.root ?? null, checkedAt, cosignedAt, detail: this.alarm ?? this.#fault };
  }

  /** At a sign-in: looks at once, and cosigns. */
  signedIn(): void {
    void this.#look(true);
  }

  /** The log grew: looks, at most once a minute. */
  grew(): void {
    if (this.#cancelLater !== null) return;
    const waitMs = Math.max(0, this.#lookedAt + contactEveryMs - this.#ports.clock.now());
    this.#cancelLater = this.#ports.clock.after(waitMs, () => {
      this.#cancelLater = null;
      void this.#look(false);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelLater?.();
    this.#cancelLater = null;
  }

  #look(signedIn: boolean): Promise<void> {
    // one after the other: what is asked for first is compared first
    const last = this.#looking ?? Promise.resolve();
    const looked = last.then(() => this.#contact(signedIn)).catch((error: unknown) => this.#failed(error));
    this.#looking = looked;
    return looked;
  }

  #failed(error: unknown): void {
    this.#failingSince ??= this.#ports.clock.now();
    this.#fault = `The log could not be checked: ${reasonOf(error)}`.slice(0, 1_000);
    this.#ports.log.line(`${this.#appliance.record.url}: ${this.#fault}`);
    this.#ports.changed(null);
  }

  async #contact(signedIn: boolean): Promise<void> {
    if (this.alarm !== null || this.#isClosed) return;
    this.#lookedAt = this.#ports.clock.now();
    const step = await this.#step();
    const checkedAt = new Date(this.#ports.clock.now()).toISOString();
    const entry = { ...this.#entry, memory: step.memory, checkedAt };
    if (step.verdict === 'alarm') return this.#raise(entry, step.why);
    await this.#keep(entry);
    this.#fault = '';
    this.#failingSince = null;
    this.#ports.changed(null);
    if (step.verdict !== 'unproven' && (signedIn || this.#cosignIsDue())) await this.#cosign(step);
  }

  /** In force at once, and told even when it could not be stored. */
  async #raise(entry: WitnessEntry, why: string): Promise<void> {
    this.#entry = entry;
    try {
      await this.#keep(entry);
    } finally {
      this.#ports.changed(why);
    }
  }

  /** Fetches the newest checkpoint, and the proof that it holds all that was seen before. */
  async #step(): Promise<WitnessStep> {
    let seen: SeenCheckpoint = { ...(await this.#newest()), proof: null };
    for (let round = 0; ; round++) {
      const step = await witnessStep(this.#entry.memory, seen, proving);
      if (step.verdict !== 'unproven') return step;
      // a service that never proves what it shows has something to hide; it may also be too busy
      if (round >= maxRounds) throw fail('ERR_VERIFICATION_FAILED', { message: 'The service gave no proof for the size of its checkpoint.' });
      seen = { ...seen, proof: await this.#proof(step.from, step.size) };
    }
  }

  async #proof(from: number, size: number): Promise<Uint8Array[]> {
    try {
      const { hashes } = await this.#appliance.call('auditConsistency', { from, size });
      return hashes.map((hash) => fromBase64(hash) ?? new Uint8Array());
    } catch (error) {
      // one that cannot be reached proves nothing either way; one that knows no proof for what it showed does
      if (hasCode(error, 'ERR_NOT_FOUND') || hasCode(error, 'ERR_INVALID_INPUT')) return [];
      throw error;
    }
  }

  async #newest(): Promise<{ note: string; key: string }> {
    const { checkpoint, key } = await this.#appliance.call('auditCheckpoint', {});
    return { note: checkpoint, key };
  }

  #cosignIsDue(): boolean {
    const { cosignedAt } = this.#entry;
    return cosignedAt === null || this.#ports.clock.now() - Date.parse(cosignedAt) >= cosignEveryMs;
  }

  async #cosign({ text }: Consistent): Promise<void> {
    const { record, keys } = this.#appliance;
    const { name, publicKey } = record.witness;
    const key = formatWitnessKey(name, fromBase64url(publicKey), sha256);
    const verifier = parseWitnessKey(key, sha256);
    if (verifier === null) throw fail('ERR_VERIFICATION_FAILED', { message: 'The cosigning key of this machine is damaged.', hint: 'Enrol again.' });
    const id = this.#entry.witnessId ?? (await this.#register(name, key));
    const now = this.#ports.clock.now();
    const cosignature = await signCosignature({ text, key: verifier, at: Math.floor(now / 1_000) }, (bytes) => keys.witness().sign(bytes));
    try {
      await this.#appliance.call('cosignCheckpoint', { id, checkpoint: text, cosignature });
    } catch (error) {
      // an administrator removed it: registered anew the next time
      if (hasCode(error, 'ERR_NOT_FOUND')) await this.#keep({ ...this.#entry, witnessId: null });
      // cosigned less than a minute ago
      if (!hasCode(error, 'ERR_CONFLICT')) throw error;
      return;
    }
    await this.#keep({ ...this.#entry, cosignedAt: new Date(now).toISOString() });
    this.#ports.changed(null);
  }

  async #register(name: string, key: string): Promise<string> {
    const { record, keys } = this.#appliance;
    const proof = toBase64(keys.witness().sign(witnessBytes(record.service, name, fromBase64url(record.witness.publicKey))));
    const id = await this.#appliance.call('registerWitness', { name, key, proof }).then(
      (view) => view.id,
      (error: unknown) => this.#registered(key, error),
    );
    await this.#keep({ ...this.#entry, witnessId: id });
    return id;
  }

  /** The answer to an earlier registration was lost. */
  async #registered(key: string, fault: unknown): Promise<string> {
    if (!hasCode(fault, 'ERR_CONFLICT')) throw fault;
    const { items } = await this.#appliance.call('listWitnesses', { limit: 1_000 });
    const own = items.find((each) => each.key === key);
    if (own === undefined) throw fault;
    return own.id;
  }

  /** Durable first: what was told must not be forgotten. */
  async #keep(entry: WitnessEntry): Promise<void> {
    // forgotten meanwhile
    if (this.#isClosed) return;
    await this.#ports.book.put(entry);
    this.#entry = entry;
    this.#head = null;
  }
}

/** Size and root of the kept checkpoint. */
async function headOf({ memory }: WitnessEntry): Promise<{ size: number; root: string } | null> {
  const verifier = memory.key === null ? null : parseVerifierKey(memory.key, sha256);
  if (verifier === null || memory.kept === null) return null;
  const opened = await openCheckpoint(memory.kept, verifier, verifyEd25519);
  return opened.ok ? { size: opened.checkpoint.size, root: toBase64(opened.checkpoint.root) } : null;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof AppError && error.code === code;
}
