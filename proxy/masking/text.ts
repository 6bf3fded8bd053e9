import { scanValue } from './value.ts';
import type { Count } from './value.ts';

/** our own tokens, also cut short: people paste them where a name belongs */
const token = /(postern_[a-zA-Z]{8}_)([a-zA-Z]{8,})/g;

/** Detector and labels over a text, and our own tokens; what is hidden becomes `*`. Equal texts come back when nothing is found. The length stays. */
export function maskText(given: string): string {
  return maskTextInto(given, () => undefined);
}

/** The same, and how many values each rule hid; tokens of ours count as `token`. */
export function maskTextCounted(given: string): { masked: string; found: ReadonlyMap<string, number> } {
  const found = new Map<string, number>();
  const masked = maskTextInto(given, (rule, count) => {
    found.set(rule, (found.get(rule) ?? 0) + count);
  });
  return { masked, found };
}

/** The same with counts as they come. */
export function maskTextInto(given: string, count: Count): string {
  if (given.length < 5) return given;
  const text = given.includes('postern_') ? withoutTokens(given, count) : given;
  const bytes = Buffer.from(text);
  let total = 0;
  scanValue(bytes, { start: 0, end: bytes.length, type: 'text' }, (rule, times) => {
    total += times;
    count(rule, times);
  });
  return total > 0 ? bytes.toString() : text;
}

function withoutTokens(text: string, count: Count): string {
  return text.replaceAll(token, (_all, id: string, secret: string) => {
    count('token', 1);
    return id + '*'.repeat(secret.length);
  });
}
