import type { Mutant } from './mutant.ts';

const proof = 'proxy/proof/proof.test.ts';
const vault = 'proxy/vault/vault.test.ts';
const recording = 'proxy/recording/recording.test.ts';
const log = 'proxy/audit/log.test.ts';

const tamper = 'tampering shows';

/** Faults in what is kept: proofs, vault, recordings, state. */
export const evidenceMutants: readonly Mutant[] = [
  {
    name: 'proof: signatures are not checked',
    invariant: tamper,
    file: 'proxy/proof/note.ts',
    find: `signature.length !== 64 || !(await verify(key.publicKey, utf8(parsed.text), signature))`,
    replace: `signature.length !== 64`,
    killedBy: { file: proof, test: 'opens the note of the Go documentation' },
  },
  {
    name: 'proof: a note of another key opens',
    invariant: tamper,
    file: 'proxy/proof/note.ts',
    find: `if (name !== key.name || id !== key.id) continue;`,
    replace: ``,
    killedBy: { file: proof, test: 'opens the note of the Go documentation' },
  },
  {
    name: 'proof: any consistency proof of the right length holds',
    invariant: tamper,
    file: 'proxy/proof/proofs.ts',
    find: `return path.atTop && equalBytes(older, oldRoot) && equalBytes(newer, root);`,
    replace: `return path.atTop;`,
    killedBy: { file: proof, test: 'ties each size to every earlier one' },
  },
  {
    name: 'proof: a rewritten past is consistent',
    invariant: tamper,
    file: 'proxy/proof/proofs.ts',
    find: `equalBytes(older, oldRoot) && `,
    replace: ``,
    killedBy: { file: proof, test: 'ties each size to every earlier one' },
  },
  {
    name: 'proof: any inclusion proof of the right length holds',
    invariant: tamper,
    file: 'proxy/proof/proofs.ts',
    find: `return path.atTop && equalBytes(hash, claim.root);`,
    replace: `return path.atTop;`,
    killedBy: { file: proof, test: 'holds for every entry, and for no other' },
  },
  {
    name: 'proof: leaves and nodes hash alike',
    invariant: tamper,
    file: 'proxy/proof/merkle.ts',
    find: `const leafPrefix = Uint8Array.of(0);`,
    replace: `const leafPrefix = Uint8Array.of(1);`,
    killedBy: { file: proof, test: 'has the known constants' },
  },
  {
    name: 'vault: values are authenticated and stored in clear',
    invariant: 'credentials stay here',
    file: 'proxy/vault/envelope.ts',
    find: `const box = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);`,
    replace: `const box = Buffer.concat([bytes, cipher.final(), cipher.getAuthTag()]);`,
    also: [
      { find: `\n  cipher.setAAD(bindingOf(context));`, replace: `` },
      { find: `const box = Buffer.concat([bytes,`, replace: `cipher.setAAD(Buffer.concat([bindingOf(context), bytes]));\n  const box = Buffer.concat([bytes,` },
      { find: `decipher.setAAD(bindingOf(context));`, replace: `decipher.setAAD(Buffer.concat([bindingOf(context), box.subarray(0, -tagBytes)]));` },
      { find: `const plain = decipher.update(box.subarray(0, box.length - tagBytes));`, replace: `const plain = Buffer.from(box.subarray(0, -tagBytes));` },
    ],
    killedBy: { file: vault },
  },
  {
    name: 'vault: changed bytes are not noticed',
    invariant: tamper,
    file: 'proxy/vault/envelope.ts',
    find: `return Buffer.concat([plain, decipher.final()]);`,
    replace: `return Buffer.from(plain);`,
    killedBy: { file: vault, test: 'detects any changed byte' },
  },
  {
    name: 'vault: a secret opens under another name',
    invariant: tamper,
    file: 'proxy/vault/envelope.ts',
    find: `return Buffer.from(context.map(`,
    replace: `return Buffer.from([''].map(`,
    killedBy: { file: vault, test: 'moved to another name' },
  },
  {
    name: 'recording: chunks are stored in clear',
    invariant: 'recordings are sealed',
    file: 'proxy/recording/format.ts',
    find: `return Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);`,
    replace: `return Buffer.concat([packed, Buffer.alloc(tagBytes)]);`,
    also: [
      {
        find: `return Buffer.concat([decipher.update(box.subarray(0, box.length - tagBytes)), decipher.final()]);`,
        replace: `return box.subarray(0, box.length - tagBytes);`,
      },
    ],
    killedBy: { file: recording, test: 'tampering' },
  },
  {
    name: 'recording: chunks can be moved',
    invariant: tamper,
    file: 'proxy/recording/format.ts',
    find: `nonce.writeBigUInt64BE(BigInt(index), 4);`,
    replace: ``,
    also: [{ find: '\\n${String(index)}`', replace: '`' }],
    killedBy: { file: recording, test: 'a missing, repeated, moved or added chunk' },
  },
  {
    name: 'recording: a failed disk does not end the session',
    invariant: 'no act without a record',
    file: 'proxy/recording/recorder.ts',
    find: `    this.#failed.abort(fault);\n`,
    replace: ``,
    killedBy: { file: recording },
  },
  {
    name: 'audit: entries are acknowledged before they are written',
    invariant: 'no act without a record',
    file: 'proxy/audit/log.ts',
    find: `      await durable;\n`,
    replace: `      durable.catch(() => undefined);\n`,
    killedBy: { file: log, test: 'recovery' },
  },
  {
    name: 'audit: the journal is not synced',
    invariant: 'no act without a record',
    file: 'proxy/audit/log-files.ts',
    find: ` | constants.O_DSYNC`,
    replace: ``,
    killedBy: { file: log },
  },
  {
    name: 'audit: a damaged commit is dropped like a torn one',
    invariant: tamper,
    file: 'proxy/audit/journal.ts',
    find: `return { at, why: 'a frame is damaged' };`,
    replace: `break;`,
    killedBy: { file: log, test: 'refuses a journal whose acknowledged part is damaged' },
  },
  {
    name: 'audit: a log shorter than its checkpoint opens',
    invariant: tamper,
    file: 'proxy/audit/recovery.ts',
    find: `if (head.checkpoint !== null && journal.end.nextIndex < head.checkpoint.size) {`,
    replace: `if (head.checkpoint !== null && journal.end.nextIndex < 0) {`,
    killedBy: { file: log, test: 'refuses when entries under the checkpoint are gone' },
  },
  {
    name: 'audit: what a lost client left open stays open',
    invariant: 'no act without a record',
    file: 'proxy/audit/log.ts',
    find: `await this.#closeScopes(this.#scopes.ofClient(client), reason);`,
    replace: ``,
    killedBy: { file: log, test: 'closes what a lost client left open' },
  },
];
