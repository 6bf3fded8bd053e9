import { describe, expect, it } from 'vitest';
import type { Act, Facts } from '../../contract/operation.ts';
import { SessionSettings } from './session-settings.ts';

const reported = new Map([
  ['search_path', 'public'],
  ['DateStyle', 'ISO, DMY'],
]);

function facts(kind: string, effect: Facts['effect'], acts: readonly Act[] = [], statements = 1): Facts {
  return { acts, effect, template: '', context: { kind, statements, has_where: true, has_limit: false, tables: [], columns: [], functions: [] } };
}

const set = facts('set', 'write', [{ action: 'sql:utility', object: { type: 'Setting', path: ['search_path'] } }]);
const text = (sql: string): Uint8Array[] => [Buffer.from(sql)];
const keyOf = (settings: SessionSettings, session = 'ses_a'): string => Buffer.from(settings.key(session, 1)).toString();

describe('settings of a session', () => {
  it('are the same in two sessions that did the same, and read and write what they like', () => {
    const [one, other] = [new SessionSettings(new Map(), reported), new SessionSettings(new Map([['application_name', 'x']]), reported)];
    one.forwarded(facts('select', 'read'), text('select 1'));
    one.forwarded(facts('begin', 'none'), text('begin'));
    one.forwarded(facts('delete', 'write', [{ action: 'sql:delete', object: { type: 'Table', path: ['public', 'a'] } }]), text('delete from a'));
    one.forwarded(facts('rollback', 'none'), text('rollback'));
    expect(keyOf(one)).toBe(keyOf(other, 'ses_b'));
    expect([one.shown, one.searchPath]).toEqual(['public', 'public']);
  });

  it.each<[string, Facts | null]>([
    ['a SET', set],
    ['what may call a function', facts('select', 'unknown')],
    ['several statements', facts('select', 'read', [], 2)],
    ['what has no facts', null],
  ])('differ after %s', (_, changing) => {
    const [one, other] = [new SessionSettings(new Map(), reported), new SessionSettings(new Map(), reported)];
    one.forwarded(changing, text('x'));
    one.settled();
    expect(keyOf(one)).not.toBe(keyOf(other));
    other.forwarded(changing, text('x'));
    other.settled();
    expect(keyOf(one)).toBe(keyOf(other));
    // the end of a transaction may undo it
    one.forwarded(facts('rollback', 'none'), text('rollback'));
    one.settled();
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  it('are uncertain until the target answered, and then never equal', () => {
    const [one, other] = [new SessionSettings(new Map(), reported), new SessionSettings(new Map(), reported)];
    for (const settings of [one, other]) settings.forwarded(set, text('set search_path = evil'));
    expect(one.shown).toContain('uncertain');
    expect(one.searchPath).toBeNull();
    expect(keyOf(one)).not.toBe(keyOf(other, 'ses_b'));
    one.report('search_path', 'evil');
    one.settled();
    expect([one.shown, one.searchPath]).toEqual(['evil', 'evil']);
  });

  it('follow what the target reports and what was set at startup', () => {
    const one = new SessionSettings(new Map(), reported);
    const other = new SessionSettings(new Map([['row_security', 'off']]), reported);
    expect(keyOf(one)).not.toBe(keyOf(other));
    const before = keyOf(one);
    one.report('DateStyle', 'ISO, MDY');
    expect(keyOf(one)).not.toBe(before);
    expect(new SessionSettings(new Map(), new Map()).shown).toBe('not reported by this target');
  });
});
