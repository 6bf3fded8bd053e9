import type { Mutant } from './mutant.ts';

const stores = 'test/integration/stores.test.ts';
/** one title for all, so that the run without a mutant is made once */
const scanned = { file: stores, test: 'what is stored' };
const noPan = 'no PAN';

/** Switching masking or encryption off makes the scan of everything stored fail; and who may see is still recorded masked. */
export const storeMutants: readonly Mutant[] = [
  {
    name: 'stores: commands are recorded unmasked',
    invariant: noPan,
    file: 'proxy/masking/masking.ts',
    find: `command: (resource, facts, spans) => maskCommand(spans, rules, { resource, facts }),`,
    replace: `command: (_resource, _facts, spans) => spans.map(({ text }) => text).join(''),`,
    killedBy: scanned,
  },
  {
    name: 'stores: tagged columns of results are not masked',
    invariant: noPan,
    file: 'proxy/masking/masking.ts',
    find: `compileShape(shape, { rules, resource, unmask })`,
    replace: `compileShape(shape, { rules: new RuleSet([]), resource, unmask })`,
    killedBy: scanned,
  },
  {
    name: 'stores: errors are recorded unmasked',
    invariant: noPan,
    file: 'proxy/masking/masking.ts',
    find: `text: (text, conceal = []) => maskText(concealerOf(conceal).hide(text, () => undefined)),`,
    replace: `text: (text) => text,`,
    killedBy: scanned,
  },
  {
    name: 'stores: bodies of the log are in clear',
    invariant: 'credentials stay here',
    file: 'proxy/audit/sealing.ts',
    find: `cipher.setAAD(context(firstIndex));\n    const sealed = [Buffer.of(version), salt, nonce, ...parts.map((part) => cipher.update(part)), cipher.final()];`,
    replace: `cipher.setAAD(Buffer.concat([context(firstIndex), ...parts]));\n    const sealed = [Buffer.of(version), salt, nonce, ...parts, cipher.final()];`,
    also: [
      {
        find: `cipher.setAAD(context(firstIndex));`,
        replace: `const plain = Buffer.from(sealed.subarray(prefixBytes, -tagBytes));\n    cipher.setAAD(Buffer.concat([context(firstIndex), plain]));`,
      },
      {
        find: `Buffer.concat([cipher.update(sealed.subarray(prefixBytes, sealed.length - tagBytes)), cipher.final()])`,
        replace: `Buffer.concat([plain, cipher.final()])`,
      },
    ],
    killedBy: scanned,
  },
  {
    name: 'stores: recordings are in clear',
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
    killedBy: scanned,
  },
  {
    name: 'pipeline: what a caller may see whole is recorded whole',
    invariant: noPan,
    file: 'proxy/pipeline/recorded-masked.ts',
    find: `this.#copies.set(shown, masked);`,
    replace: `this.#copies.set(shown, masked.length > 0 ? shown : masked);`,
    killedBy: { file: 'proxy/pipeline/recorded-masked.test.ts' },
  },
];
