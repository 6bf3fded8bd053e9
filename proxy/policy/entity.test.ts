import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entityId, objectEntity } from './entity.ts';

const subject = { principal: { name: 'ci', groups: [] }, resource: 'payments', database: 'shop' };
const name = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('/', '%', '%2F', 'a/b', '?', '', '..'));

describe('entity ids', () => {
  it('are different for different paths: the path can be read back', () => {
    const read = (id: string) => id.split('/').map((part) => part.replaceAll(/%2F|%25/g, (escaped) => (escaped === '%2F' ? '/' : '%')));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (path) => {
        expect(read(entityId(path))).toEqual(path);
      }),
    );
  });

  it('hold as many slashes as the path has joints', () => {
    fc.assert(fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (path) => entityId(path).split('/').length === path.length));
  });
});

describe('objectEntity', () => {
  const table = (...path: string[]) => objectEntity(subject, { action: 'sql:select', object: { type: 'Table', path } });

  it('puts a table into its schema, database and resource', () => {
    expect([...(table('public', 'orders')?.within ?? [])]).toEqual([
      'Table::payments/shop/public/orders',
      'Resource::payments',
      'Database::payments/shop',
      'Schema::payments/shop/public',
    ]);
  });

  it('puts an object of unknown schema into the database only', () => {
    expect([...(table('?', 'orders')?.within ?? [])]).toEqual(['Table::payments/shop/?/orders', 'Resource::payments', 'Database::payments/shop']);
    const column = objectEntity(subject, { action: 'field:unmask', object: { type: 'Column', path: ['?', 'cards', 'pan'] } });
    expect([...(column?.within ?? [])]).not.toContain('Table::payments/shop/?/cards');
  });

  it.each([
    ['too few names', 'sql:select', { type: 'Table', path: ['orders'] }],
    ['too many names', 'sql:select', { type: 'Table', path: ['a', 'b', 'c'] }],
    ['a kind the action is not on', 'connect', { type: 'Table', path: ['public', 'orders'] }],
    ['a lone surrogate', 'sql:select', { type: 'Table', path: ['public', '\ud800'] }],
  ] as const)('does not make an entity of %s', (_, action, object) => {
    expect(objectEntity(subject, { action, object })).toBeNull();
  });
});
