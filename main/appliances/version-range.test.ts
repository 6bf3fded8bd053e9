import { expect, it } from 'vitest';
import { whoIsOutdated } from './version-range.ts';

it.each([
  [{}, null],
  [{ version: '1.0.0', api: { oldest: 1, newest: 3 } }, null],
  [{ version: '0.0.1', api: { oldest: 0, newest: 0 } }, 'The service (version 0.0.1) is too old for this app: update the service.'],
  [{ version: '9.0.0', api: { oldest: 2, newest: 3 } }, 'This app is too old for the service (version 9.0.0): update the app.'],
])('says who must be updated: %j', (health, said) => {
  expect(whoIsOutdated(health)).toBe(said);
});
