import { expect, test } from 'vitest';
import { isPlain, webhookFaults } from './webhook-faults.ts';

test('what cannot be a webhook is said beside its field', () => {
  expect(webhookFaults({ name: '', url: '' })).toEqual({ name: 'This is needed.', url: 'This is needed.' });
  const { name, url } = webhookFaults({ name: 'Big Name', url: 'ftp://x' });
  expect(name).toMatch(/Lower-case/);
  expect(url).toMatch(/https/);
  expect(webhookFaults({ name: 'slack', url: 'https://hooks.example/T0' })).toEqual({ name: undefined, url: undefined });
  expect([isPlain('http://x'), isPlain('https://x'), isPlain('')]).toEqual([true, false, false]);
});
