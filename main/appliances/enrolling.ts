import { createHash, randomBytes } from 'node:crypto';
import { parseEnrolmentCode, type EnrolmentCode } from '../../proxy/contract/enrolment-code.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { User } from '../../proxy/contract/user.ts';
import { Secret } from '../../proxy/lib/secret.ts';
import { enrolmentBytes } from '../../proxy/proof/decision.ts';
import type { EnrolInput } from '../contract/views.ts';
import type { ClockPort, KeychainPort } from '../ports.ts';
import { keyContext, newApplianceId, type ApplianceBook, type AppliancePlace, type ApplianceRecord } from './appliance-record.ts';
import { passes } from './connection-fault.ts';
import { ControlClient } from './control-client.ts';
import { callSignIn } from './key-holder.ts';
import { pinnedAuthority } from './pinned-authority.ts';
import { proveSealable, sealKey } from './sealed-key.ts';
import { SigningKey } from './signing-key.ts';
import { whoIsOutdated } from './version-range.ts';

export interface EnrollingPorts {
  readonly book: ApplianceBook;
  readonly keychain: KeychainPort;
  readonly clock: ClockPort;
}

interface Found extends EnrolmentCode {
  readonly caPem: string;
}

/** Makes keys, enrols the approver's, and stores both. The code is spent last, when everything that can fail on this machine has been tried. */
export async function enrol({ code: text, passphrase: given }: EnrolInput, ports: EnrollingPorts): Promise<ApplianceRecord> {
  const code = parseEnrolmentCode(text);
  const passphrase = given === undefined ? null : new Secret(given);
  const found = { ...code, caPem: await pinnedAuthority(code.url, code.ca) };
  const id = placeIn(ports.book, found) ?? newApplianceId();
  const client = new ControlClient({ url: found.url, caPem: found.caPem });
  try {
    const outdated = whoIsOutdated(await client.call('health', {}, { token: null }));
    if (outdated !== null) throw fail('ERR_CONFLICT', { message: outdated, hint: 'Then try again; the code is still good.' });
    const keys = { approver: SigningKey.make(), witness: SigningKey.make() };
    const seal = sealer(keys, { keychain: ports.keychain, passphrase });
    await proveSealable(ports.keychain, passphrase);
    await ports.book.proveWritable();
    const user = await enrolKey(client, { code: found, key: keys.approver, clock: ports.clock });
    if (user.key?.publicKey !== keys.approver.publicKey) {
      throw fail('ERR_VERIFICATION_FAILED', { message: 'The service enrolled another key than the one it was given.', hint: 'Tell an administrator at once.' });
    }
    const record = await seal({ ...placeOf(found, { id: user.id, name: user.name, key: user.key.id }), id });
    await ports.book.put(record);
    return record;
  } finally {
    client.close();
  }
}

/**
 * An enrolment that replaces the key of an earlier one keeps what is known of the service's log. Whoever wrote the code chose the name of
 * the service: under another CA it does not get the place, and the key, of the one that is known here.
 */
function placeIn(book: ApplianceBook, { service, user, ca }: EnrolmentCode): string | undefined {
  const known = book.all().find((each) => each.service === service && each.user === user);
  if (known === undefined || known.ca === ca) return known?.id;
  throw fail('ERR_CONFLICT', {
    message: `You are enrolled at ${service} under another CA: this code does not replace that.`,
    hint: 'Ask the administrator. If the service was set up anew, forget the old one here first.',
  });
}

function placeOf({ url, ca, caPem, service }: Found, user: { id: string; name: string; key: string }): AppliancePlace {
  return { id: 'new', url, ca, caPem, service, user: user.name, userId: user.id, keyId: user.key };
}

function sealer(
  { approver, witness }: { approver: SigningKey; witness: SigningKey },
  by: { keychain: KeychainPort; passphrase: Secret<string> | null },
): (place: AppliancePlace) => Promise<ApplianceRecord> {
  // letters, so that the witness of a person's second machine has another name
  const letters = Array.from(randomBytes(6), (byte) => 'abcdefghijklmnopqrstuvwxyz'.charAt(byte % 26)).join('');
  return async (place) => {
    const [key, cosigning] = await Promise.all([
      sealKey(approver, keyContext(place, 'approver', approver.publicKey), by),
      sealKey(witness, keyContext(place, 'witness', witness.publicKey), by),
    ]);
    const name = `${place.user.slice(0, 50)}-${letters}`;
    return { ...place, publicKey: approver.publicKey, key, witness: { name, publicKey: witness.publicKey, key: cosigning } };
  };
}

async function enrolKey(client: ControlClient, { code, key, clock }: { code: Found; key: SigningKey; clock: ClockPort }): Promise<User> {
  const codeHash = createHash('sha256').update(code.code).digest('base64url');
  const proof = key.signText(enrolmentBytes(codeHash, key.publicKey));
  try {
    return await client.call('enrol', { code: code.code, publicKey: key.publicKey, proof }, { token: null });
  } catch (error) {
    if (!passes(error)) throw error;
    // the answer was lost, perhaps after the key was enrolled: whoever can sign in is enrolled
    const at = new Date(clock.now()).toISOString();
    const signedIn = await callSignIn(client, { service: code.service, user: code.user, key, at }).catch(() => null);
    if (signedIn === null) throw error;
    return signedIn.user;
  }
}
