import { stars } from './json-stars.ts';

/** A text as a reader of its escapes sees it; `starts[i]` to `starts[i + 1]` is what was written for unit i. */
interface View {
  readonly text: string;
  readonly starts: Uint32Array;
}

/**
 * `\u0034` `\x34` `\064` `\"`, percent encoding, character references, characters that are not seen, colours of terminals, digits of other scripts, `+`
 * between digits as in forms, and mark-up of a letter's looks between digits.
 */
const written =
  /\\u\{(?<braced>[0-9a-f]{1,6})\}|\\u(?<four>[0-9a-f]{4})|\\x(?<two>[0-9a-f]{2})|\\(?<octal>[0-3][0-7]{2})|\\(?<plain>["'\\/])|(?<percent>(?:%[0-9a-f]{2})+)|&#(?<decimal>\d{1,7});|&#x(?<hex>[0-9a-f]{1,6});|&(?<named>quot|amp|lt|gt|apos|nbsp);|\u001b\[[0-9;]{0,16}[a-z]|(?<space>(?<=[0-9])\+(?=[0-9]))|(?<=[0-9])(?:<\/?(?:b|i|u|em|strong|span|wbr|font|mark|code|small|sub|sup)(?:\s[^<>]{0,64})?\/?>){1,4}(?=[0-9])|\p{M}|\p{Cf}|[\u115f\u1160\u3164\uffa0]|(?<digit>[\u0660-\u0669\u06f0-\u06f9\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\u{1d7ce}-\u{1d7ff}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089])/giu;

const names: Readonly<Record<string, string>> = { quot: '"', amp: '&', lt: '<', gt: '>', apos: "'", nbsp: '\u00a0' };

/** Masks what escapes in the text say: each hidden unit is replaced by stars as long as its escape. Equal when there is none to hide. */
export function maskView(text: string, mask: (seen: string) => string): string {
  written.lastIndex = 0;
  if (!written.test(text)) return text;
  const view = viewOf(text);
  const masked = mask(view.text);
  if (masked === view.text) return text;
  // the length is kept by all that may happen here but dropped media; then nothing of the text is passed on
  if (masked.length !== view.text.length) return stars(text);
  // what is not seen before the first unit
  let shown = text.slice(0, view.starts[0]);
  for (let index = 0; index < masked.length; index++) {
    const [start, end] = [view.starts[index] ?? 0, view.starts[index + 1] ?? text.length];
    const source = text.slice(start, end);
    const unit = masked.charAt(index);
    shown += unit === view.text.charAt(index) ? source : stars(source);
  }
  return shown;
}

function viewOf(text: string): View {
  const starts = new Uint32Array(text.length + 2);
  let seen = '';
  let from = 0;
  const add = (units: string, start: number, step: number): void => {
    for (let index = 0; index < units.length; index++) starts[seen.length + index] = start + index * step;
    seen += units;
  };
  written.lastIndex = 0;
  for (const match of text.matchAll(written)) {
    add(text.slice(from, match.index), from, 1);
    from = match.index + match[0].length;
    const groups = match.groups ?? {};
    const percent = groups['percent'];
    if (percent !== undefined) addPercent(percent, match.index, add);
    else add(plainOf(groups), match.index, 0);
  }
  add(text.slice(from), from, 1);
  starts[seen.length] = text.length;
  return { text: seen, starts: starts.subarray(0, seen.length + 1) };
}

/** Runs of `%HH` are UTF-8. */
function addPercent(percent: string, start: number, add: (units: string, start: number, step: number) => void): void {
  const decoded = Buffer.from(percent.replaceAll('%', ''), 'hex');
  const text = decoded.toString();
  // bytes that are no UTF-8 are seen one by one
  if (!Buffer.from(text).equals(decoded)) {
    add(decoded.toString('latin1'), start, 3);
    return;
  }
  let at = start;
  for (const each of text) {
    add(each, at, 0);
    at += 3 * Buffer.byteLength(each);
  }
}

function plainOf(groups: Readonly<Record<string, string | undefined>>): string {
  const code = groups['braced'] ?? groups['four'] ?? groups['two'] ?? groups['hex'];
  if (code !== undefined) return unit(Number.parseInt(code, 16));
  if (groups['octal'] !== undefined) return unit(Number.parseInt(groups['octal'], 8));
  if (groups['decimal'] !== undefined) return unit(Number(groups['decimal']));
  if (groups['named'] !== undefined) return names[groups['named'].toLowerCase()] ?? '';
  if (groups['digit'] !== undefined) return digit(groups['digit']);
  if (groups['space'] !== undefined) return ' ';
  return groups['plain'] ?? '';
}

/** One UTF-16 unit; characters beyond are none that we look for. */
function unit(code: number): string {
  return code < 0xd800 || (code > 0xdfff && code <= 0xffff) ? String.fromCharCode(code) : '\u00a4';
}

/** the zeros of scripts; compatibility forms are known to Unicode */
const zeros = [0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0e50];

function digit(given: string): string {
  const code = given.codePointAt(0) ?? 0;
  const zero = zeros.find((each) => code >= each && code < each + 10);
  return zero === undefined ? given.normalize('NFKC') : String(code - zero);
}
