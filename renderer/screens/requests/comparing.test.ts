import { expect, test } from 'vitest';
import { operation, request } from './cases.fake.ts';
import { compareRequests } from './comparing.ts';

const hidden = (mark: string): { position: number; type: string; mark: string }[] => [{ position: 0, type: 'card number', mark }];
const command = 'update orders set card = <hidden>';

test('a look-alike with a hidden value swapped is different, though its text is the same', () => {
  const mine = request({}, operation({ command, hidden: hidden('AAAAAAAA') }));
  const other = request({ id: 'req_b' }, operation({ command, hidden: hidden('BBBBBBBB') }));
  expect(compareRequests(mine, other)).toMatchObject({
    sameText: true,
    hidden: 'different',
    values: [{ position: 0, mine: 'AAAAAAAA', other: 'BBBBBBBB', same: false }],
    says: 'The visible text is the same, but the hidden values differ: it is not the same command.',
  });
});

test('the same command again is the same', () => {
  const mine = request({}, operation({ command, hidden: hidden('AAAAAAAA') }));
  expect(compareRequests(mine, { ...mine, id: 'req_b' })).toMatchObject({
    hidden: 'same',
    facts: [],
    says: 'The visible text is the same and so are all hidden values: the same command again.',
  });
});

test('marks of two requesters say nothing', () => {
  const mine = request({}, operation({ command, hidden: hidden('AAAAAAAA') }));
  const { principal } = mine.canonical;
  const other = { ...mine, canonical: { ...mine.canonical, principal: { ...principal, subject: 'svc_b', name: 'other-bot' } } };
  expect(compareRequests(mine, other)).toMatchObject({ hidden: 'unknown', facts: [{ name: 'Requester', mine: 'release-bot', other: 'other-bot' }] });
});

test('changed text is found in both commands, and so are other circumstances', () => {
  const mine = request({}, operation({ command: 'delete from orders where id = 8', searchPath: 'evil, public' }));
  const comparison = compareRequests(mine, request({ id: 'req_b' }));
  expect(comparison?.changedMine.map(({ from, to }) => 'delete from orders where id = 8'.slice(from, to))).toEqual(['8']);
  expect(comparison?.changedOther.map(({ from, to }) => operation().command.slice(from, to))).toEqual(['7']);
  expect(comparison?.facts).toEqual([{ name: 'Search path', mine: 'evil, public', other: '"$user", public' }]);
});

test('accesses have no command to compare', () => {
  expect(compareRequests(request({}, { kind: 'access', joins: 'dba', seconds: 60 }), request())).toBeNull();
});
