import { demoCards } from '../payments-cards.ts';

/** As a careless server keeps it: the whole card beside the payment. */
export interface Payment {
  readonly payment_id: string;
  readonly holder: string;
  readonly brand: string;
  readonly card_number: string;
  readonly cvv: string;
  /** ISO 8601 date */
  readonly paid_on: string;
  readonly currency: string;
  readonly amount_cents: number;
  readonly refunded_cents: number;
}

export interface Refund {
  readonly payment_id: string;
  readonly amount_cents: number;
  readonly reason: string;
}

const paymentCount = 400;
const first = ['Alma', 'Bruno', 'Chiara', 'Deniz', 'Elif', 'Femi', 'Grace', 'Hugo'];
const last = ['Abbott', 'Bauer', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Hansen', 'Silva', 'Tanaka'];

/** The payments of one process: the same at each start, with test card numbers only; refunds are forgotten at its end. */
export class Ledger {
  readonly #payments: Map<string, Payment>;
  readonly #refunds: Refund[] = [];

  constructor(canaries = false) {
    const cards = demoCards(canaries).slice(0, paymentCount);
    this.#payments = new Map(
      cards.map((card) => {
        const payment_id = `pay_${String(card.id).padStart(4, '0')}`;
        const holder = `${first[card.id % first.length] ?? ''} ${last[card.id % last.length] ?? ''}`;
        const paid_on = `2026-10-${String(1 + ((card.id * 7) % 31)).padStart(2, '0')}`;
        const amount_cents = 199 + ((card.id * 7_919) % 49_800);
        const currency = card.id % 4 === 0 ? 'USD' : 'EUR';
        const { brand, pan: card_number, cvv } = card;
        return [payment_id, { payment_id, holder, brand, card_number, cvv, paid_on, currency, amount_cents, refunded_cents: 0 }];
      }),
    );
  }

  all(): readonly Payment[] {
    return [...this.#payments.values()];
  }

  find(id: string): Payment | null {
    return this.#payments.get(id) ?? null;
  }

  /** `holder`: any part of the name, upper or lower case. */
  search(wanted: { readonly holder: string | undefined; readonly brand: string | undefined; readonly limit: number }): {
    found: readonly Payment[];
    total: number;
  } {
    const holder = wanted.holder?.toLowerCase() ?? '';
    const fits = (payment: Payment): boolean => payment.holder.toLowerCase().includes(holder) && (wanted.brand === undefined || payment.brand === wanted.brand);
    const found = this.all().filter(fits);
    return { found: found.slice(0, wanted.limit), total: found.length };
  }

  /** The payment after the refund, or why it can't be. */
  refund(refund: Refund): Payment | string {
    const payment = this.#payments.get(refund.payment_id);
    if (payment === undefined) return `There is no payment ${refund.payment_id}.`;
    const left = payment.amount_cents - payment.refunded_cents;
    if (refund.amount_cents > left) return `Of payment ${refund.payment_id}, ${left} cents can still be refunded.`;
    const after = { ...payment, refunded_cents: payment.refunded_cents + refund.amount_cents };
    this.#payments.set(refund.payment_id, after);
    this.#refunds.push(refund);
    return after;
  }

  refunds(): readonly Refund[] {
    return this.#refunds;
  }
}
