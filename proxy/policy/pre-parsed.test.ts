import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const sources = globSync('{proxy,main,build}/**/*.ts', { cwd: root }).filter((name) => !name.endsWith('.test.ts'));
const usersOf = (pattern: RegExp) => sources.filter((name) => pattern.test(readFileSync(new URL(name, root), 'utf8')));

it('decides with pre-parsed policies only: parsing per decision costs milliseconds', () => {
  expect(usersOf(/\bisAuthorized(?:Partial)?\b/)).toEqual([]);
  expect(usersOf(/\bstatefulIsAuthorized\b/)).toEqual(['proxy/policy/slices.ts']);
});

it('reaches Cedar from the policy folder only', () => {
  for (const name of usersOf(/['"]@cedar-policy/)) expect(name).toMatch(/^proxy\/policy\//);
});
