import type { Mutant } from './mutant.ts';

const cosignature = 'proxy/proof/cosignature.test.ts';
const witnesses = 'proxy/control/handlers/witnesses.test.ts';
const shadow = 'proxy/policy/shadow.test.ts';

const tamper = 'tampering shows';
const decides = 'shadow decides nothing';

/** Faults in what watches the service from outside and beside: witnesses of the log, shadow policies. */
export const controlMutants: readonly Mutant[] = [
  {
    name: 'witness: cosignatures are not checked',
    invariant: tamper,
    file: 'proxy/proof/cosignature.ts',
    find: `if (!(await verify(key.publicKey, cosignedMessage(text, at), only.signature.subarray(timestampBytes)))) {`,
    replace: `if (key.publicKey.length === 0 || verify === undefined) {`,
    killedBy: { file: cosignature, test: 'do not hold after any change' },
  },
  {
    name: 'witness: a rollback is no alarm',
    invariant: tamper,
    file: 'proxy/proof/cosignature.ts',
    find: `  if (newer.size < older.size) {`,
    replace: `  if (newer.size < 0) {`,
    killedBy: { file: cosignature, test: 'raises an alarm' },
  },
  {
    name: 'witness: growth needs no proof that holds',
    invariant: tamper,
    file: 'proxy/proof/cosignature.ts',
    find: `if (verifyConsistency(claim, sha256)) return`,
    replace: `if (claim.size > 0 || verifyConsistency(claim, sha256)) return`,
    killedBy: { file: cosignature, test: 'raises an alarm' },
  },
  {
    name: 'witness: the next good checkpoint ends an alarm',
    invariant: tamper,
    file: 'proxy/proof/cosignature.ts',
    find: `  if (memory.alarm !== null) return { verdict: 'alarm', memory, why: memory.alarm.why };`,
    replace: ``,
    killedBy: { file: cosignature, test: 'never takes an alarm back' },
  },
  {
    name: 'witness: any root is taken for one of this log',
    invariant: tamper,
    file: 'proxy/control/handlers/witnesses.ts',
    find: `if (!isOurs) throw`,
    replace: `if (newest === null && !isOurs) throw`,
    killedBy: { file: witnesses, test: 'what is not true' },
  },
  {
    name: 'witness: anybody cosigns for anybody',
    invariant: tamper,
    file: 'proxy/control/handlers/witnesses.ts',
    find: `if (witness.user !== actor.subject) throw`,
    replace: `if (actor.subject === '') throw`,
    killedBy: { file: witnesses, test: 'what is not true' },
  },
  {
    name: 'shadow: the shadow policies decide',
    invariant: decides,
    file: 'proxy/policy/shadow.ts',
    find: `const said = { ...decision, shadow:`,
    replace: `const said = { ...decision, permitted: other.permitted, shadow:`,
    killedBy: { file: shadow, test: 'decide nothing' },
  },
  {
    name: 'shadow: a fault beside is a result',
    invariant: decides,
    file: 'proxy/policy/shadow.ts',
    find: `return shadow.faults === faults ? decision : null;`,
    replace: `return faults < 0 ? null : decision;`,
    killedBy: { file: shadow, test: 'give no result' },
  },
  {
    name: 'control: card numbers in names and policies are kept',
    invariant: 'no PAN in any file of ours',
    file: 'proxy/control/dispatch.ts',
    find: `  assertCardFree(route, parsed.data, dispatching.mask);\n`,
    replace: ``,
    killedBy: { file: 'proxy/control/http.test.ts', test: 'may hold a card number' },
  },
];
