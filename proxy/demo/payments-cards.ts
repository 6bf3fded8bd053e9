/** The cards of the demo: the same on every machine, so that tests know every number that may never be stored. */
export interface DemoCard {
  readonly id: number;
  readonly customer: number;
  readonly pan: string;
  readonly cvv: string;
  readonly expMonth: number;
  readonly expYear: number;
  readonly brand: string;
}

export const customerCount = 5000;
const cardCount = 6000;

// issuer ranges the card schemes and processors publish for testing
const brands = [
  { brand: 'visa', iins: ['411111', '401288', '424242'], digits: 16, cvv: 3 },
  { brand: 'mastercard', iins: ['555555', '510510', '222300'], digits: 16, cvv: 3 },
  { brand: 'amex', iins: ['378282', '371449'], digits: 15, cvv: 4 },
  { brand: 'discover', iins: ['601111', '601100'], digits: 16, cvv: 3 },
  { brand: 'jcb', iins: ['353011', '356600'], digits: 16, cvv: 3 },
] as const;

/**
 * All cards, in the order of their ids. `canaries`: the CVVs are long unique digit strings instead, so that a scan of
 * files can tell a leaked CVV from any other three digits.
 */
export function demoCards(canaries = false): readonly DemoCard[] {
  const random = xorshift(0x706f7374);
  const seen = new Set<string>();
  const cards: DemoCard[] = [];
  while (cards.length < cardCount) {
    const id = cards.length + 1;
    const kind = pick(brands, random);
    const pan = withCheckDigit(pick(kind.iins, random) + digits(kind.digits - 7, random));
    const cvv = digits(kind.cvv, random);
    const expMonth = 1 + (random() % 12);
    const expYear = 2027 + (random() % 5);
    if (seen.has(pan)) continue;
    seen.add(pan);
    cards.push({ id, customer: 1 + ((id - 1) % customerCount), pan, cvv: canaries ? cvvCanary(id) : cvv, expMonth, expYear, brand: kind.brand });
  }
  return cards;
}

/** 23 digits: longer than any card number, and no prefix of another. */
function cvvCanary(id: number): string {
  return `90${String(id).padStart(5, '0')}${String(id * 7919).padStart(16, '3')}`;
}

/** ISO/IEC 7812-1 annex B: the Luhn check digit. */
function withCheckDigit(body: string): string {
  let sum = 0;
  for (let place = 0; place < body.length; place += 1) {
    const digit = Number(body[body.length - 1 - place]);
    const weighted = place % 2 === 0 ? digit * 2 : digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return body + String((10 - (sum % 10)) % 10);
}

function digits(count: number, random: () => number): string {
  let text = '';
  while (text.length < count) text += String(random() % 10);
  return text;
}

function pick<T>(list: readonly [T, ...T[]] | readonly T[], random: () => number): T {
  const found = list[random() % list.length];
  if (found === undefined) throw new RangeError('an empty list has nothing to pick');
  return found;
}

/** Marsaglia's xorshift32: small and repeatable; nothing here is secret. */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
