/**
 * The inner letters of the labels of `maskTextLabels`, rarest first so that native search is fast; none of `v` and `u` is in hexadecimal
 * or numbers. `before`: what must stand in front, in lower case.
 */
const needles = [
  ...['vv', 'vc', 'vn', 'VV', 'VC', 'VN'].map((text) => ({ text: Buffer.from(text), before: Buffer.from('c') })),
  ...['urity', 'URITY'].map((text) => ({ text: Buffer.from(text), before: Buffer.from('sec') })),
];

/** Behind every byte of a chunk; a small integer, so that comparing positions stays cheap. */
export const never = 0x3fff_ffff;

/** Where labels begin in one range of bytes. Asked with growing positions, so that the work is linear; reused, it allocates one view. */
export class LabelSearch {
  readonly #next = new Int32Array(needles.length);
  #view: Buffer = Buffer.alloc(0);
  #start = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
    this.#start = start;
    this.#next.fill(-1);
  }

  /** First byte of the next label at or behind `from`; `never` when there is none. */
  next(from: number): number {
    const floor = from - this.#start;
    let nearest = never;
    for (let index = 0; index < needles.length; index++) {
      if ((this.#next[index] ?? 0) < floor) this.#next[index] = this.#find(index, floor);
      const at = this.#next[index] ?? 0;
      if (at < nearest) nearest = at;
    }
    return nearest === never ? never : nearest + this.#start;
  }

  #find(index: number, floor: number): number {
    const needle = needles[index];
    if (needle === undefined) return never;
    const { text, before } = needle;
    for (let at = this.#view.indexOf(text, floor); at >= 0; at = this.#view.indexOf(text, at + 1)) {
      const first = at - before.length;
      if (first >= floor && isBefore(this.#view, first, before)) return first;
    }
    return never;
  }
}

function isBefore(bytes: Uint8Array, first: number, before: Uint8Array): boolean {
  for (let index = 0; index < before.length; index++) if (((bytes[first + index] ?? 0) | 0x20) !== before[index]) return false;
  return true;
}

const search = new LabelSearch();
const nativeBytes = 256;

/** True when the bytes may hold a label of `maskTextLabels`: `cvv`, `cvc`, `cvn` or `security`. */
export function mayHoldLabel(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < nativeBytes) return hasLetters(bytes, start, end);
  search.reset(bytes, start, end);
  return search.next(start) < end;
}

/** `cv` or `cu`, in any case: natively searching short values would cost more. */
function hasLetters(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start + 1; at < end; at++) {
    const lower = (bytes[at] ?? 0) | 0x20;
    if (lower === 0x76 && ((bytes[at - 1] ?? 0) | 0x20) === 0x63) return true;
    if (lower === 0x75 && ((bytes[at - 1] ?? 0) | 0x20) === 0x63) return true;
  }
  return false;
}
