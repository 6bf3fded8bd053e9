import { expect, test } from 'vitest';
import { appliance, service, status } from '../bridge/fake-data.fake.ts';
import { isHere, serviceState } from './service-state.ts';

test('a service that runs and answers is running', () => {
  expect(serviceState({ appliance, status, local: service })).toEqual({ word: 'Running', tone: 'good', detail: '' });
});

test('a part that is not up is never hidden by the others', () => {
  const degraded = { ...status, state: 'degraded' as const, parts: [{ name: 'witness', state: 'degraded' as const, detail: 'none for a day' }] };
  expect(serviceState({ appliance, status: degraded, local: null })).toEqual({ word: 'Degraded', tone: 'warn', detail: 'witness: none for a day' });
});

test('what the operating system says of the local service goes before what was read earlier', () => {
  const stopped = { ...service, state: 'stopped' as const, detail: 'It was stopped.' };
  expect(serviceState({ appliance, status, local: stopped })).toEqual({ word: 'Stopped', tone: 'bad', detail: 'It was stopped.' });
});

test.each([
  ['not-installed', 'Not installed'],
  ['version-mismatch', 'Version mismatch'],
  ['untrusted-socket', 'Not trusted'],
] as const)('a local service that is %s reads “%s”', (state, word) => {
  expect(serviceState({ appliance: null, status: undefined, local: { ...service, state } }).word).toBe(word);
});

test('a live view that was lost is no running service', () => {
  expect(serviceState({ appliance: { ...appliance, detail: 'It does not answer.' }, status, local: null }).word).toBe('Unreachable');
});

test('only loopback is this machine', () => {
  expect(isHere({ url: 'https://127.0.0.1:8443' })).toBe(true);
  expect(isHere({ url: 'https://127.0.0.1.example.com:8443' })).toBe(false);
});
