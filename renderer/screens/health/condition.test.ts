import { expect, test } from 'vitest';
import { conditionsOf, isRestartable, needlesOf } from './condition.ts';

test('what is down stands first, with its remedy', () => {
  const parts = [
    { name: 'control', state: 'up', detail: 'Answers.' },
    { name: 'gateway', state: 'down', detail: 'No gateway is connected.' },
  ] as const;
  const checks = [
    { name: 'gateway', ok: false, detail: 'No gateway is connected.', remedy: 'See logs/gateway.log.' },
    { name: 'certificate', ok: false, detail: 'Soon over.', remedy: 'Restart the service.' },
  ];
  expect(conditionsOf([...parts], checks).map(({ name, state, remedy }) => [name, state, remedy])).toEqual([
    ['gateway', 'down', 'See logs/gateway.log.'],
    ['certificate', 'degraded', 'Restart the service.'],
    ['control', 'up', null],
  ]);
  expect([isRestartable('gateway'), isRestartable('audit')]).toEqual([true, false]);
});

test('texts to search for are lines of some length, each once', () => {
  expect(needlesOf(' secret one \r\n\nsecret one\nother')).toEqual({ needles: ['secret one', 'other'], wrong: undefined });
  expect(needlesOf('abc').wrong).toMatch(/4 to 512/);
});
