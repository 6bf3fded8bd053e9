import { fail } from '../../contract/errors.ts';

export interface RoomLimits {
  /** bytes of all requests together */
  readonly total: number;
  /** of these, how many one caller may take up */
  readonly perOwner: number;
}

/** What one request takes up, until it is answered. */
export interface RoomShare {
  /** Throws ERR_TOO_MANY_CONNECTIONS when there is no room left. */
  take(bytes: number): void;
  /** Once; what is taken afterwards is not counted. */
  release(): void;
}

/** Bounds the memory that requests hold while they are read, decided and answered: nobody's calls may crowd out the others'. */
export class BodyRoom {
  readonly #limits: RoomLimits;
  readonly #byOwner = new Map<string, number>();
  #taken = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** `owner`: whose request it is */
  share(owner: string): RoomShare {
    return new Share(this, owner);
  }

  /** Throws ERR_TOO_MANY_CONNECTIONS when there is no room left. */
  take(owner: string, bytes: number): void {
    const byOwner = this.#byOwner.get(owner) ?? 0;
    if (this.#taken + bytes > this.#limits.total || byOwner + bytes > this.#limits.perOwner) {
      throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many large requests at once.', hint: 'Wait for answers, then try again.' });
    }
    this.#taken += bytes;
    this.#byOwner.set(owner, byOwner + bytes);
  }

  giveBack(owner: string, bytes: number): void {
    if (bytes === 0) return;
    this.#taken -= bytes;
    const left = (this.#byOwner.get(owner) ?? bytes) - bytes;
    if (left > 0) this.#byOwner.set(owner, left);
    else this.#byOwner.delete(owner);
  }

  /** bytes taken up now */
  get taken(): number {
    return this.#taken;
  }
}

class Share implements RoomShare {
  readonly #room: BodyRoom;
  readonly #owner: string;
  #own = 0;
  #isReleased = false;

  constructor(room: BodyRoom, owner: string) {
    this.#room = room;
    this.#owner = owner;
  }

  take(bytes: number): void {
    if (this.#isReleased || bytes === 0) return;
    this.#room.take(this.#owner, bytes);
    this.#own += bytes;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#room.giveBack(this.#owner, this.#own);
  }
}

/** of what a JSON text is made of in memory, beside its bytes */
const bytesPerValue = 400;

/** About how much the values of a JSON text take up once they are parsed, told from its commas and brackets. */
export function parsedBytes(json: Uint8Array): number {
  let values = 0;
  for (const byte of json) if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values++;
  return values * bytesPerValue;
}
