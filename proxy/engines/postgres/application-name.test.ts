import { describe, expect, it } from 'vitest';
import { parse, query } from '../../../test/support/postgres-client.ts';
import { ClientName, keepPrincipal } from './application-name.ts';
import { parameterStatus } from './messages.ts';

describe('application_name at the target', () => {
  it.each([
    "SET application_name = 'PostgreSQL JDBC Driver'",
    "set session application_name to 'it''s';",
    " set application_name='x' ",
    'SET application_name TO psql',
  ])('stays the principal after %j', (sql) => {
    expect(keepPrincipal(query(sql))).toEqual(query('SET application_name TO DEFAULT'));
    expect(keepPrincipal(parse('s1', sql, 23))).toEqual(parse('s1', 'SET application_name TO DEFAULT', 23));
  });

  it.each([
    "set application_name = 'x'; drop table t",
    "set application_name = 'x' || 'y'",
    "set local application_name = 'x'",
    "select 'set application_name = 1'",
    "set application_name = 'a\\' ; drop'",
    'set x = 1',
    '',
  ])('leaves %j to the classifier', (sql) => {
    for (const frame of [query(sql), parse('', sql)]) expect(keepPrincipal(frame)).toBe(frame);
  });

  it('is told to the client as the one it asked for, once', () => {
    const name = new ClientName('psql');
    name.kept(query("set application_name = 'it''s Zürich'"));
    expect(name.report()).toBeNull();
    name.change(name.asked ?? '');
    expect(name.report()).toEqual(parameterStatus('application_name', "it's Z\\xc3\\xbcrich"));
    expect(name.report()).toBeNull();
    name.kept(query('select 1'));
    expect(name.asked).toBeNull();
    for (const sql of ['reset application_name', 'RESET ALL;', 'discard all', 'set application_name to default']) {
      name.kept(parse('', sql));
      expect(name.asked).toBe('psql');
    }
  });
});
