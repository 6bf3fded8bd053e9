import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { references } from '../../build/reference.ts';
import { eventTable } from '../../proxy/contract/audit-event.ts';
import { errorTable } from '../../proxy/contract/errors.ts';

const root = dirname(dirname(import.meta.dirname));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('committed reference', () => {
  it.each(references().map(({ path, text }) => [path, text] as const))('%s is what the contract says (else: npm run generate)', (path, text) => {
    expect(read(path)).toBe(text);
  });

  it('lists every error code once', () => {
    const codes = [...read('docs/reference/errors.md').matchAll(/^\| `(ERR_[A-Z_]+)` /gm)].map((match) => match[1]);
    expect(codes).toEqual(Object.keys(errorTable));
  });

  it('lists every audit event once', () => {
    const codes = [...read('docs/reference/audit-events.md').matchAll(/^\| `([a-z.-]+)` /gm)].map((match) => match[1]);
    expect(codes).toEqual(Object.keys(eventTable));
  });

  it('gives every error a message and a remedy that are sentences', () => {
    for (const [code, row] of Object.entries(errorTable)) {
      expect(row.message, code).toMatch(/^[A-Z].*[.]$/);
      expect(row.remedy, code).toMatch(/^[A-Z].*[.]$/);
    }
  });
});
