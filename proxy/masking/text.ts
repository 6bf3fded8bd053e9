import { mayNeedScan, scanValue } from './value.ts';

/** Detector and labels over a text; what is hidden becomes `*`. Equal texts come back when nothing is found. The length stays. */
export function maskText(text: string): string {
  if (text.length < 5) return text;
  const bytes = Buffer.from(text);
  if (!mayNeedScan(bytes, 0, bytes.length)) return text;
  let found = 0;
  scanValue(bytes, { start: 0, end: bytes.length, type: 'text' }, (_rule, count) => {
    found += count;
  });
  return found > 0 ? bytes.toString() : text;
}
