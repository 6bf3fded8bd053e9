import { describe, expect, it } from 'vitest';
import { digitsFrom, luhn, random, randomPan } from '../../test/support/masking-cases.ts';
import type { ColumnName, Facts, Span } from '../contract/operation.ts';
import { suggestTag } from './dictionary.ts';
import { createMasking } from './masking.ts';
import type { Masking } from './masking.ts';

const pan = '4111111111111111';

function facts(...tables: string[]): Facts {
  return {
    acts: [],
    effect: 'read',
    template: '',
    context: { kind: 'select', statements: 1, has_where: true, has_limit: false, tables, columns: [], functions: [] },
  };
}

function tagged(): Masking {
  const masking = createMasking();
  masking.update([
    { resource: 'shop', schema: 'public', table: 'cards', column: 'number', tag: 'pan' },
    { resource: 'shop', schema: 'public', table: 'secrets', column: 'code', tag: 'sad' },
    { resource: 'shop', schema: 'public', table: 'people', column: 'iban', tag: 'other' },
  ]);
  return masking;
}

/** `a ‹value› b`: what stands in guillemets is a value; `‹column=value›` names its column. */
function spans(text: string): Span[] {
  return text
    .split(/(‹[^›]*›)/)
    .filter((piece) => piece !== '')
    .map((piece): Span => {
      if (!piece.startsWith('‹')) return { kind: 'text', text: piece };
      const [, column, value = ''] = /^‹(?:([a-z_.]+)=)?([^]*)›$/.exec(piece) ?? [];
      return column === undefined ? { kind: 'value', text: value } : { kind: 'value', text: value, column: nameOf(column) };
    });
}

function nameOf(text: string): ColumnName {
  const [table = '', column = ''] = text.split('.');
  return { schema: 'public', table, column };
}

function stored(text: string, ...tables: string[]): string {
  return tagged().port.command('shop', facts(...tables), spans(text));
}

describe('a command as stored', () => {
  it('keeps what is harmless', () => {
    const text = "select * from t where a = '‹x›' and b = ‹42› and c > '‹2024-01-01 12:34:56›' and d = '‹550e8400-e29b-41d4-a716-446655440000›' limit ‹10›";
    expect(stored(text)).toBe(text.replaceAll(/[‹›]/g, ''));
    expect(stored("select '‹C:\\temp\\notes and more›', '‹\\d+ words here›'")).toBe(
      "select 'C:\\temp\\notes and more', '<hidden>'".replace('<hidden>', '\\d+ words here'),
    );
  });

  it('writes values as they must be written, so that none looks like syntax or like another', () => {
    const written = (text: string, quoting: 'string' | 'escape' | 'comment'): string =>
      tagged().port.command('shop', facts(), [{ kind: 'value', text, quoting }]);
    expect(written("a' and id = '5", 'string')).toBe("a'' and id = ''5");
    expect(written("a\\' or '", 'escape')).toBe("a\\\\'' or ''");
    expect(written('a, $2 = b', 'comment')).toBe("'a, $2 = b'");
    expect(written("*/ and 'x' \\", 'comment')).toBe("'*\\/ and ''x'' \\\\'");
    expect(written(pan, 'comment')).toBe("'411111******1111'");
    expect(tagged().port.command('shop', facts('public.secrets'), [{ kind: 'value', text: '1', quoting: 'comment' }])).toBe('<hidden>');
  });

  it('names what an approver does not see, also where it only stands for it', () => {
    const { command, hidden } = tagged().port.rendering('shop', facts(), [
      { kind: 'text', text: "= U&'" },
      { kind: 'value', text: '…', opaque: Buffer.from("U&'%'") },
      { kind: 'text', text: "' or n = '" },
      { kind: 'value', text: pan, column: nameOf('cards.number') },
      { kind: 'text', text: "' or id = " },
      { kind: 'value', text: '7' },
    ]);
    expect(command).toBe("= U&'…' or n = '<hidden>' or id = 7");
    expect(hidden.map(({ position, type }) => [position, type])).toEqual([
      [0, 'value that cannot be shown'],
      [1, 'pan of cards.number'],
    ]);
    expect(new Set(hidden.map(({ value }) => value)).size).toBe(2);
  });

  it('truncates card numbers in literals, binds, comments and names', () => {
    expect(stored(`insert into t values ('‹${pan}›')`)).toBe("insert into t values ('411111******1111')");
    expect(stored(`update t set a = ‹${pan}› where b = ‹1›`)).toBe('update t set a = 411111******1111 where b = 1');
    expect(stored(`select 1 ‹-- ${pan}›`)).toBe('select 1 -- 411111******1111');
    expect(stored(`select ‹"${pan}"› from t`)).toBe('select "411111******1111" from t');
    expect(stored(`select $1 /* $1 = ‹4111 1111 1111 1111› */`)).toBe('select $1 /* $1 = 4111 11** **** 1111 */');
    expect(stored(`select ${pan}`)).toBe('select 411111******1111');
  });

  it('hides values of tagged and tellingly named columns', () => {
    expect(stored("update cards set number = '‹cards.number=abc›' where id = ‹cards.id=7›")).toBe("update cards set number = '<hidden>' where id = 7");
    expect(stored("update people set iban = '‹people.iban=DE1›'")).toBe("update people set iban = '<hidden>'");
    expect(stored("insert into x (cvv) values ('‹x.cvv=123›')")).toBe("insert into x (cvv) values ('<hidden>')");
    expect(stored("insert into x (card_pin) values ('‹x.card_pin=1234›')")).toBe("insert into x (card_pin) values ('<hidden>')");
    expect(stored("select * from x where card_no = '‹x.card_no=1›'")).toBe("select * from x where card_no = '<hidden>'");
  });

  it('hides all values where a table with sensitive authentication data is touched', () => {
    expect(stored("insert into secrets values (‹1›, '‹123›')", 'public.secrets')).toBe("insert into secrets values (<hidden>, '<hidden>')");
    expect(stored('insert into secrets values (‹1›)', '?.secrets')).toBe('insert into secrets values (<hidden>)');
    expect(stored('insert into other.secrets values (‹1›)', 'other.secrets')).toBe('insert into other.secrets values (1)');
    expect(tagged().port.command('elsewhere', facts('public.secrets'), spans('values (‹1›)'))).toBe('values (1)');
  });

  it('masks keys and labels inside literals', () => {
    expect(stored(`insert into t values ('‹{"pin":"1234","n":1}›')`)).toBe(`insert into t values ('{"pin":"****","n":1}')`);
    expect(stored(`insert into t values ('‹cvv: 123›')`)).toBe("insert into t values ('cvv: ***')");
    expect(stored(`insert into t values ('‹{"a":${pan}}›')`)).toContain('{"a":4111110000001111}');
  });

  it.each([
    ['hex bytea', `'‹\\x${Buffer.from(pan).toString('hex')}›'`],
    ['hex of a number', "'‹\\x0e9a8b7c6d5e4f›'"],
    [
      'octal',
      `'‹${Array.from(pan)
        .map((digit) => `\\06${digit}`)
        .join('')}›'`,
    ],
    [
      'escapes of another kind',
      `'‹${Array.from(pan)
        .map((digit) => `\\u003${digit}`)
        .join('')}›'`,
    ],
    ['raw bit string', `‹x'34313131313131313131313131313131'›`],
    ['raw bits', `‹b'${'0011'.repeat(13)}'›`],
    ['two literals', "'‹41111111›' || '‹11111111›'"],
    ['four values', "('‹4111›', '‹1111›', '‹1111›', '‹1111›')"],
    ['letters between', "replace('‹4111x1111x1111x1111›', 'x', '')"],
    ['zeros before', "ltrim('‹00041111111›', '0') || '‹11111111›'"],
    ['digit separators', '‹4111›‹_1111_1111_1111›'],
    ['pieces of bytea', "'‹\\x3431313131›' || '‹\\x3131313131›' || '‹\\x3131313131›' || '‹\\x31›'"],
    ['a number and a text', "‹411111›::text || '‹1111111111›'"],
    ['an operator between', "'‹4111111111›' || '‹111›' || ‹111›"],
    ['long text', `'‹${'x'.repeat(5000)}${pan}›'`],
    ['fullwidth pieces', "'‹４１１１１１１１›' || '‹１１１１１１１１›'"],
    ['among others', "(‹1›, '‹x›', '‹41111111›' || '‹11111111›', ‹20›)"],
  ])('hides %s', (_name, literal) => {
    const text = stored(`select ${literal} from t`);
    expect(text).toContain('<hidden>');
    expect(text.replaceAll(/\D/g, '').length).toBeLessThan(11);
  });

  it('hides only the values that take part', () => {
    expect(stored("insert into t values (‹7›, '‹Bob›', '‹41111111›' || '‹11111111›')")).toBe("insert into t values (7, 'Bob', '<hidden>' || '<hidden>')");
  });

  it('hides too many digits to compare', () => {
    expect(stored(Array.from({ length: 80 }, () => `‹${'12a'.repeat(600)}›`).join(','))).toBe(Array.from({ length: 80 }, () => '<hidden>').join(','));
  });

  it('seldom hides values that are no card', () => {
    const next = random(3);
    let hidden = 0;
    const rounds = 4_000;
    for (let round = 0; round < rounds; round++) {
      const row = `(‹${digitsFrom(next, 6)}›, '‹name›', ‹${digitsFrom(next, 2)}.${digitsFrom(next, 2)}›, '‹2024-0${String(1 + Math.floor(next() * 9))}-1${digitsFrom(next, 1)}›', ‹${digitsFrom(next, 3)}›)`;
      if (stored(`insert into t values ${row}`).includes('<hidden>')) hidden++;
    }
    expect(hidden / rounds).toBeLessThan(0.06);
  });
});

const disguises: Readonly<Record<string, (number: string) => string>> = {
  literal: (number) => `'‹${number}›'`,
  number: (number) => `‹${number}›`,
  groups: (number) => `'‹${number.replaceAll(/(.{4})(?=.)/g, '$1-')}›'`,
  halves: (number) => `'‹${number.slice(0, 8)}›' || '‹${number.slice(8)}›'`,
  quarters: (number) => `(${(number.match(/.{1,4}/g) ?? []).map((part) => `‹${part}›`).join(', ')})`,
  bytea: (number) => `'‹\\x${Buffer.from(number).toString('hex')}›'`,
  octal: (number) =>
    `'‹${Array.from(number)
      .map((digit) => `\\06${digit}`)
      .join('')}›'`,
  letters: (number) => `translate('‹${Array.from(number).join('z')}›', 'z', '')`,
  comment: (number) => `1 ‹/* ${number} */›`,
  prose: (number) => `'‹card ${number} exp 12/29 cvv 123›'`,
  json: (number) => `'‹{"n":"${number}","m":${number}}›'`,
};

/** Another valid number with the same first 6 and last 4. */
function twinOf(number: string, next: () => number): string {
  for (;;) {
    const twin = number.slice(0, 6) + digitsFrom(next, number.length - 10) + number.slice(-4);
    if (twin !== number && luhn(twin)) return twin;
  }
}

describe('brute force', () => {
  it('whoever knows first 6 and last 4 learns nothing more: two numbers that agree in them are stored alike', () => {
    const next = random(11);
    for (let round = 0; round < 1_000; round++) {
      const number = randomPan(next);
      const twin = twinOf(number, next);
      for (const [name, write] of Object.entries(disguises)) {
        const [one, other] = [number, twin].map((each) => stored(`select ${write(each)}, '‹x›' from t`));
        expect(one, `${name} ${number} ${twin}`).toBe(other);
      }
    }
  });
});

describe('suggestTag', () => {
  it.each([
    'cvv',
    'CVV2',
    'card_cvv',
    'cvc',
    'cardCvc2',
    'security_code',
    'SecurityCode',
    'card_pin',
    'user-pin',
    'pin',
    'pin_block',
    'pinBlock',
    'track1',
    'track_2',
    'track2_data',
    'magstripe',
    'cid',
    'csc',
    'cav2',
    'card_verification_value',
  ])('%s is sensitive authentication data', (name) => {
    expect(suggestTag(name)).toBe('sad');
  });

  it.each([
    'pan',
    'PAN',
    'card_no',
    'cardNumber',
    'card_number',
    'cc_num',
    'ccnumber',
    'user_cc_number',
    'credit_card',
    'primary_account_number',
    'kartennummer',
    'numero_carte',
    'customer_pan',
    'pan_number',
  ])('%s is a card number', (name) => {
    expect(suggestTag(name)).toBe('pan');
  });

  it.each([
    '',
    'id',
    'company',
    'span',
    'japan',
    'shopping',
    'placid',
    'acid',
    'soundtrack',
    'acc_no',
    'account_number',
    'acc_number',
    'spin',
    'pinned',
    'tracking_number',
    'success_number',
    'discard_reason',
    'card',
    'card_holder',
    'x'.repeat(200),
  ])('%s is nothing we know', (name) => {
    expect(suggestTag(name)).toBe(null);
  });
});
