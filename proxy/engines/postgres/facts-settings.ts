import { fail } from '../../contract/errors.ts';
import { listAt, nodeOf, textAt, treeAt } from './classify-tree.ts';
import type { Tree } from './classify-tree.ts';
import type { Gathering } from './facts-gathering.ts';

interface Change {
  /** null when the statement computes it */
  readonly name: string | null;
  /** null when it is computed or unknown */
  readonly value: string | null;
}

const utf8: ReadonlySet<string> = new Set(['utf8', 'utf-8', 'unicode']);
const on: ReadonlySet<string> = new Set(['on', 'true', 'yes', '1', 't', 'y']);
const identities: ReadonlySet<string> = new Set(['role', 'session_authorization']);

/** A new value for a setting, by SET or by set_config. Throws ERR_FEATURE_REFUSED for those the gateway relies on. */
export function setting(gathering: Gathering, change: Change): void {
  gathering.readsLiterals = true;
  gathering.writes = true;
  if (change.name === null) throw refused('The name of the setting must be a literal.');
  const name = change.name.toLowerCase();
  const value = change.value?.trim().toLowerCase() ?? '';
  if (name === 'client_encoding' && !utf8.has(value)) throw refused('Only the client encoding UTF8 is supported.');
  if (name === 'standard_conforming_strings' && !on.has(value)) throw refused('standard_conforming_strings must stay on.');
  if (name === 'application_name') throw refused('application_name carries the principal and cannot be changed.');
  settingAct(gathering, name);
}

function settingAct(gathering: Gathering, name: string): void {
  gathering.act(identities.has(name) ? 'sql:dcl' : 'sql:utility', 'Setting', [name]);
}

function refused(message: string): Error {
  return fail('ERR_FEATURE_REFUSED', { message, detail: 'set' });
}

/** SET, SET LOCAL, SET TRANSACTION, RESET. */
export function variableSet(gathering: Gathering, body: Tree): void {
  const name = textAt(body, 'name');
  gathering.readsLiterals = true;
  switch (textAt(body, 'kind')) {
    case 'VAR_SET_VALUE': {
      const args = listAt(body, 'args');
      setting(gathering, { name, value: args.length === 1 ? constantOf(args[0]) : null });
      return;
    }
    case 'VAR_SET_MULTI':
      gathering.writes = true;
      transaction(gathering, name, listAt(body, 'args'));
      return;
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET':
      gathering.writes = true;
      settingAct(gathering, name.toLowerCase());
      return;
    case 'VAR_RESET_ALL':
      gathering.writes = true;
      settingAct(gathering, 'all');
      return;
    default:
      throw refused('This form of SET is not supported.');
  }
}

/** SET TRANSACTION and SET SESSION CHARACTERISTICS: several settings at once. */
function transaction(gathering: Gathering, name: string, args: readonly unknown[]): void {
  if (name === 'TRANSACTION SNAPSHOT') settingAct(gathering, 'transaction_snapshot');
  const prefix = name === 'SESSION CHARACTERISTICS' ? 'default_' : '';
  for (const arg of args) {
    const option = nodeOf(arg);
    if (option?.type === 'DefElem') settingAct(gathering, `${prefix}${textAt(option.body, 'defname')}`);
  }
}

function constantOf(value: unknown): string | null {
  const node = nodeOf(value);
  if (node?.type !== 'A_Const') return null;
  const text = treeAt(node.body, 'sval');
  if (text !== null) return textAt(text, 'sval');
  const number = treeAt(node.body, 'ival');
  return typeof number?.['ival'] === 'number' ? String(number['ival']) : null;
}
