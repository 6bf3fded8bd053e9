import type { MaskingRule } from '../contract/masking-rule.ts';
import type { MaskingPort } from '../pipeline/ports.ts';
import { maskCommand, renderCommand } from './command.ts';
import { detect } from './detector.ts';
import { compileDocument } from './document.ts';
import { concealerOf } from './json-conceal.ts';
import { compileShape } from './result.ts';
import { RuleSet } from './rules.ts';
import { maskText } from './text.ts';

export interface Masking {
  readonly port: MaskingPort;
  /** Replaces the rules; results whose shape comes later are masked by the new ones. */
  update(rules: readonly MaskingRule[]): void;
}

/** Masking by tagged columns, by detector and by labels. Pure: no I/O, no clock. */
export function createMasking(): Masking {
  let rules = new RuleSet([]);
  let version = 0;
  return {
    port: {
      get version() {
        return version;
      },
      compile: (resource, shape, unmask) => compileShape(shape, { rules, resource, unmask }),
      text: (text, conceal = []) => maskText(concealerOf(conceal).hide(text, () => undefined)),
      document: compileDocument,
      hides: (resource, columns) => (columns === null ? rules.hasTags(resource) : columns.some((column) => rules.tag(resource, column) !== null)),
      strays: (resource, copies) => copies.find((copy) => rules.strays(resource, copy))?.from ?? null,
      command: (resource, facts, spans) => maskCommand(spans, rules, { resource, facts }),
      rendering: (resource, facts, spans) => renderCommand(spans, rules, { resource, facts }),
    },
    update: (next) => {
      rules = new RuleSet(next);
      version++;
    },
  };
}

/** Byte ranges that hold the hidden part of a card number; for searching stores. */
export function scanForPans(bytes: Uint8Array): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  detect(bytes, 0, bytes.length, (start, end) => found.push({ start, end }));
  return found;
}
