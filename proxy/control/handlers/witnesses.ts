import { createHash } from 'node:crypto';
import { verifyEd25519 } from '../../approval/quorum.ts';
import type { Output } from '../../contract/api.ts';
import { fail } from '../../contract/errors.ts';
import type { User } from '../../contract/user.ts';
import type { Witness } from '../../contract/witness.ts';
import type { AppError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { equalBytes, fromBase64, type Sha256 } from '../../proof/bytes.ts';
import { formatCheckpoint, type Checkpoint } from '../../proof/checkpoint.ts';
import { type Cosigned, openCosignature, parseWitnessKey, signatureOf, witnessBytes } from '../../proof/cosignature.ts';
import type { VerifierKey } from '../../proof/note.ts';
import { verifyConsistency } from '../../proof/proofs.ts';
import type { ControlCaller, Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { pageOf } from './paging.ts';

type Names = 'listWitnesses' | 'registerWitness' | 'cosignCheckpoint' | 'deleteWitness';
type Ports = Pick<ControlPorts, 'clock' | 'enrolment'> & {
  readonly read: Pick<ControlPorts['read'], 'users' | 'witnesses'>;
  readonly audit: Pick<ControlPorts['audit'], 'consistency'>;
};
type View = Output<'listWitnesses'>['items'][number];

const maxPerUser = 8;
/** the clock of a device may be off by so much */
const clockSeconds = 300;
/** each cosignature is an event, which is something new to cosign */
const pauseSeconds = 60;

const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();

export function witnessHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...keepingHandlers(ports), ...cosigningHandlers(ports) };
}

function keepingHandlers(ports: Ports): Pick<Handlers, 'listWitnesses' | 'registerWitness' | 'deleteWitness'> {
  const { clock, read, enrolment } = ports;
  return {
    listWitnesses: (input) =>
      pageOf(
        read.witnesses.all().map((witness) => viewOf(witness, read)),
        ({ name }) => name,
        input,
      ),
    registerWitness: async ({ name, key: text, proof }, { caller, exclusive }) => {
      const key = needKey(text);
      const signature = signatureOf(proof);
      const bytes = witnessBytes(enrolment().service, name, key.publicKey);
      if (signature === null || !(await verifyEd25519(key.publicKey, bytes, signature))) throw unproven('The key did not sign its registration.');
      return exclusive(async (commit) => {
        const user = needSelf(caller, ports);
        assertRoom({ name, user: user.id, key }, read.witnesses.all());
        const witness: Witness = { id: newId('wit'), name, user: user.id, key: text, registeredAt: new Date(clock.now()).toISOString(), last: null };
        await commit('witness.registered', { affected: `witness:${name}`, value: witness });
        return viewOf(witness, read);
      });
    },
    deleteWitness: ({ id }, { exclusive }) =>
      exclusive(async (commit) => {
        const witness = needWitness(id, ports);
        await commit('witness.removed', { affected: `witness:${witness.name}`, value: witness });
        return { done: true };
      }),
  };
}

function cosigningHandlers(ports: Ports): Pick<Handlers, 'cosignCheckpoint'> {
  const { clock, read } = ports;
  return {
    cosignCheckpoint: async ({ id, checkpoint: text, cosignature }, { caller, exclusive }) => {
      const cosigned = await opened({ text, line: cosignature }, needOwn(id, caller, ports));
      if (Math.abs(clock.now() / 1_000 - cosigned.at) > clockSeconds) {
        throw unproven('The time of the cosignature is more than five minutes off; set the clock of the device.');
      }
      await assertOfThisLog(cosigned.checkpoint, ports);
      return exclusive(async (commit) => {
        // as it is now: another cosignature may have come in meanwhile
        const witness = needOwn(id, caller, ports);
        assertNewer(cosigned, witness);
        const last = { size: cosigned.checkpoint.size, at: new Date(cosigned.at * 1_000).toISOString(), cosignature };
        const next: Witness = { ...witness, last };
        await commit('checkpoint.cosigned', { affected: `witness:${witness.name}`, value: next });
        return viewOf(next, read);
      });
    },
  };
}

/** Signed by this witness, now, over exactly this checkpoint. */
async function opened(given: { text: string; line: string }, witness: Witness): Promise<Cosigned> {
  const result = await openCosignature({ ...given, key: needKey(witness.key) }, verifyEd25519);
  if (!result.ok) throw unproven(`${result.why.charAt(0).toUpperCase()}${result.why.slice(1)}.`);
  // with other lines it is no text that this log signs, and nobody could verify the cosignature later
  if (formatCheckpoint(result.cosigned.checkpoint) !== given.text) throw unproven('The checkpoint has lines that are not of this log.');
  return result.cosigned;
}

/** The log really had this root at this size: proven by its own consistency proof to where it is now. */
async function assertOfThisLog({ origin, size, root }: Checkpoint, { enrolment, audit }: Ports): Promise<void> {
  const { service } = enrolment();
  if (origin !== service) throw unproven(`The checkpoint is of ${origin}, not of ${service}.`);
  const now = await audit.consistency(size, null);
  const newest = fromBase64(now.root);
  const proof = now.hashes.map((hash) => fromBase64(hash) ?? new Uint8Array(0));
  const isOurs =
    newest !== null &&
    (now.size === size ? equalBytes(newest, root) : verifyConsistency({ oldSize: size, oldRoot: root, size: now.size, root: newest, proof }, sha256));
  if (!isOurs) throw unproven(`This log never had this root at ${String(size)} events.`);
}

function assertNewer({ checkpoint, at }: Cosigned, { last }: Witness): void {
  if (last === null) return;
  if (checkpoint.size < last.size) throw fail('ERR_CONFLICT', { message: `This witness has cosigned ${String(last.size)} events already.` });
  const pause = at - Date.parse(last.at) / 1_000;
  if (pause <= 0) throw fail('ERR_CONFLICT', { message: 'This witness has given a later cosignature already.' });
  if (pause < pauseSeconds) throw fail('ERR_CONFLICT', { message: 'This witness cosigned less than a minute ago.' });
}

function assertRoom({ name, user, key }: { name: string; user: string; key: VerifierKey }, all: readonly Witness[]): void {
  if (all.some((witness) => witness.name === name)) throw fail('ERR_CONFLICT', { message: `There is a witness ${name} already.` });
  // whatever name it has in the key
  if (all.some((witness) => equalBytes(needKey(witness.key).publicKey, key.publicKey)))
    throw fail('ERR_CONFLICT', { message: 'This key is registered already.' });
  if (all.filter((witness) => witness.user === user).length >= maxPerUser) {
    throw fail('ERR_CONFLICT', { message: `You have ${String(maxPerUser)} witnesses already.`, hint: 'Ask an administrator to remove one.' });
  }
}

function needKey(text: string): VerifierKey {
  const key = parseWitnessKey(text, sha256);
  if (key === null) throw unproven('The key is not the verifier key of a witness.');
  return key;
}

function needSelf({ actor }: ControlCaller, { read }: Pick<Ports, 'read'>): User {
  const user = read.users.find(actor.subject);
  if (user === null) throw fail('ERR_FORBIDDEN');
  return user;
}

function needWitness(id: string, { read }: Pick<Ports, 'read'>): Witness {
  const witness = read.witnesses.find(id);
  if (witness === null) throw fail('ERR_NOT_FOUND', { message: `There is no witness ${id}.` });
  return witness;
}

function needOwn(id: string, { actor }: ControlCaller, ports: Pick<Ports, 'read'>): Witness {
  const witness = needWitness(id, ports);
  if (witness.user !== actor.subject) throw fail('ERR_FORBIDDEN', { message: 'This witness is a device of somebody else.' });
  return witness;
}

function unproven(message: string): AppError {
  return fail('ERR_VERIFICATION_FAILED', { message, hint: 'Check which service and which device this is.' });
}

function viewOf(witness: Witness, { users }: Pick<Ports['read'], 'users'>): View {
  return { ...witness, user: users.find(witness.user)?.name ?? witness.user };
}
