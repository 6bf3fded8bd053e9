import { lookup as resolve, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fail } from '../../contract/errors.ts';
import { addressFault, addressKey, literalHost, type AddressRules } from '../../lib/address-kind.ts';

/** Every address of this machine now: interfaces come and go. */
export function ownAddresses(): ReadonlySet<string> {
  const own = new Set<string>();
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) own.add(addressKey(address) ?? address);
  }
  return own;
}

/** Throws ERR_TARGET_UNREACHABLE when the host is an address where no target may be. Names pass: `guardedLookup` sees what they are. */
export function checkLiteral(host: string, allowLocal: boolean): void {
  const literal = literalHost(host);
  if (literal !== null) check(literal, { allowLocal, own: ownAddresses() });
}

/**
 * For `connect`: resolves once and gives only what was checked, so that no second answer of the name server is used. One
 * address that may not be reached refuses the name: who mixes them wants to be chosen by chance.
 */
export function guardedLookup(allowLocal: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true, order: 'verbatim' }, (error, found) => {
      if (error !== null) {
        callback(error, '');
        return;
      }
      try {
        const own = ownAddresses();
        for (const { address } of found) check(address, { allowLocal, own });
        give(found, options.all === true, callback);
      } catch (refused) {
        callback(refused as NodeJS.ErrnoException, '');
      }
    });
  };
}

function give(found: readonly LookupAddress[], all: boolean, callback: Parameters<LookupFunction>[2]): void {
  const [first] = found;
  if (first === undefined) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the name has no address' });
  if (all) callback(null, [...found]);
  else callback(null, first.address, first.family);
}

function check(address: string, rules: AddressRules): void {
  const fault = isIP(address) === 0 ? 'that is no IP address' : addressFault(address, rules);
  if (fault !== null) throw fail('ERR_TARGET_UNREACHABLE', { message: `The address of the target is refused: ${fault}.`, detail: address });
}
