import { headerBytes } from './frames.ts';
import { frontend, parameterStatus } from './messages.ts';

const setting =
  /^\s*set\s+(?:session\s+)?application_name\s*(?:=|\s+to\s)\s*(?:'(?<text>(?:[^'\\]|'')*)'|"(?<name>[^"]*)"|(?<word>[a-z_][a-z0-9_]*))\s*;?\s*$/i;
const reset = /^\s*(?:reset\s+(?:application_name|all)|discard\s+all)\s*;?\s*$/i;
const maxTextBytes = 512;
/** the value the session began with: the principal */
const instead = Buffer.from('SET application_name TO DEFAULT');

/**
 * At the target, application_name carries the principal; drivers set it to their own name when they connect. Such a Query or Parse becomes one
 * with the same answer that keeps the principal. Every other frame is given back as it is.
 */
export function keepPrincipal(frame: Buffer): Buffer {
  const start = frame[0] === frontend.query ? headerBytes : frame.indexOf(0, headerBytes) + 1;
  if (frame.length > maxTextBytes || !isSet(frame, start)) return frame;
  const end = frame.indexOf(0, start);
  if (end < 0 || !setting.test(frame.toString('latin1', start, end))) return frame;
  const changed = Buffer.concat([frame.subarray(0, start), instead, frame.subarray(end)]);
  changed.writeInt32BE(changed.length - 1, 1);
  return changed;
}

/** The application_name of one session as its client sees it. */
export class ClientName {
  readonly #initial: string;
  #shown: string;
  #current: string;
  /** what the frame that is handled now asks for; null: nothing */
  asked: string | null = null;

  /** `initial`: what the client asked for at startup */
  constructor(initial: string) {
    this.#initial = shownName(initial);
    this.#shown = this.#initial;
    this.#current = this.#initial;
  }

  /** The Query or Parse to forward in place of this one. */
  kept(frame: Buffer): Buffer {
    const kept = keepPrincipal(frame);
    if (kept !== frame) this.asked = wantedName(frame) ?? this.#initial;
    else this.asked = this.#current !== this.#initial && isReset(frame) ? this.#initial : null;
    return kept;
  }

  /** The target has done it. */
  change(name: string): void {
    this.#current = name;
  }

  /** ParameterStatus to send before ReadyForQuery, as PostgreSQL does; null: the client knows. */
  report(): Buffer | null {
    if (this.#current === this.#shown) return null;
    this.#shown = this.#current;
    return parameterStatus('application_name', this.#shown);
  }
}

/** The name that a frame which `keepPrincipal` changed asks for: the client is told that it has it. Null: the one it began with. */
export function wantedName(frame: Buffer): string | null {
  const start = frame[0] === frontend.query ? headerBytes : frame.indexOf(0, headerBytes) + 1;
  const { text, name, word = '' } = setting.exec(frame.toString('utf8', start, frame.indexOf(0, start)))?.groups ?? {};
  if (text !== undefined) return shownName(text.replaceAll("''", "'"));
  return name === undefined && word.toLowerCase() === 'default' ? null : shownName(name ?? word.toLowerCase());
}

function isReset(frame: Buffer): boolean {
  const start = frame[0] === frontend.query ? headerBytes : frame.indexOf(0, headerBytes) + 1;
  return frame.length <= maxTextBytes && reset.test(frame.toString('latin1', start, frame.indexOf(0, start)));
}

/** As PostgreSQL shows a name it was given: at most 63 bytes, whole characters, and only printable ASCII. */
export function shownName(text: string): string {
  let kept = text;
  while (Buffer.byteLength(kept) > 63) kept = kept.slice(0, -1);
  return Buffer.from(kept.toWellFormed())
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `s` and `t` two apart, after at most one space: settles it for all but SET and a few others, without making a string */
function isSet(frame: Buffer, start: number): boolean {
  const at = frame[start] === 0x20 || frame[start] === 0x0a ? start + 1 : start;
  return ((frame[at] ?? 0) | 0x20) === 0x73 && ((frame[at + 2] ?? 0) | 0x20) === 0x74;
}
