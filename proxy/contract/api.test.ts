import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { api } from './api.ts';
import { route, routeFaults, type AnyRoute } from './api-route.ts';
import { eventTable } from './audit-event.ts';
import { errorTable } from './errors.ts';
import { apiMarkdown, openApiDocument } from './openapi.ts';

const routes: [string, AnyRoute][] = Object.entries(api);

test('no route may be registered without role, strict input, and, when it changes something, an audit event', () => {
  expect(routes.map(([name, candidate]) => [name, routeFaults(candidate)]).filter(([, faults]) => faults?.length !== 0)).toEqual([]);
});

test('a changing route without an event, a public one and an input with unknown members are refused by types and at registration', () => {
  const common = { summary: '', errors: [], input: z.strictObject({}), output: z.null() } as const;
  // @ts-expect-error a change needs an event
  const silent = route({ ...common, method: 'DELETE', path: '/v1/things', roles: ['administrator'], event: null });
  // @ts-expect-error so does a POST that is not pure
  route({ ...common, method: 'POST', path: '/v1/things', roles: ['administrator'], event: null });
  // @ts-expect-error an empty list is none
  route({ ...common, method: 'PUT', path: '/v1/things', roles: ['administrator'], event: [] });
  // @ts-expect-error the events are those of the catalogue
  route({ ...common, method: 'PUT', path: '/v1/things', roles: ['administrator'], event: ['thing.changed'] });
  // @ts-expect-error only the health check is public
  const open = route({ ...common, method: 'GET', path: '/v1/things', roles: 'public', event: null });
  const loose = route({ ...common, method: 'GET', path: '/v1/things/{id}', roles: ['auditor'], event: null, input: z.object({}) });
  expect([silent, open, loose].map((candidate) => routeFaults(candidate as AnyRoute))).toEqual([
    ['changes something without an audit event'],
    ['is public'],
    ['accepts unknown members', 'has no input for {id}'],
  ]);
});

test('addresses are unique, and what reads evidence is recorded', () => {
  const addresses = routes.map(([, { method, path }]) => `${method} ${path}`);
  expect(new Set(addresses).size).toBe(addresses.length);
  expect(api.readRecording.event).toEqual(['recording.viewed']);
  expect(api.searchAudit.event).toEqual(['audit.read']);
  expect(api.tailAudit.event).toEqual(['audit.read']);
});

test('lists are capped and nothing that is stored secretly is part of an answer', () => {
  expect(api.listTokens.input.safeParse({ limit: '1001' }).success).toBe(false);
  expect(api.listTokens.input.parse({ limit: '5' })).toEqual({ limit: 5 });
  const answers = routes
    .filter(([name]) => name !== 'createToken' && name !== 'signIn')
    .map(([, { output }]) => JSON.stringify(z.toJSONSchema(output, { unrepresentable: 'any' })));
  for (const member of ['"password"', '"hash"', '"scramSalt"', '"verifiers"', '"token"'])
    expect(answers.filter((schema) => schema.includes(member))).toEqual([]);
});

test('docs/reference holds the generated OpenAPI document and route table', async () => {
  const reference = new URL('../../docs/reference/', import.meta.url);
  expect(JSON.parse(await readFile(new URL('openapi.json', reference), 'utf8'))).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
  expect(await readFile(new URL('api.md', reference), 'utf8')).toBe(apiMarkdown());
  const known = [...Object.keys(errorTable), ...Object.keys(eventTable)];
  expect(
    [...apiMarkdown().matchAll(/`(ERR_[A-Z_]+|[a-z-]+\.[a-z-]+)`/g)]
      .map(([, word]) => word ?? '')
      .filter((word) => word !== 'openapi.json' && !known.includes(word)),
  ).toEqual([]);
});
