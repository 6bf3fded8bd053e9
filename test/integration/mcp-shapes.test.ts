import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../build/step.ts';
import { answerLeaky, cards, cvv, cvvNumber, shapeNames } from '../fixtures/mcp/leaky-server.ts';
import { serveRaw, type RawServer } from '../fixtures/mcp/raw-server.ts';
import { allEvents, askControl, readControl } from '../support/audit-events.ts';
import { seededPans } from '../support/card-data.ts';
import { sdk2, type McpPlace } from '../support/mcp-clients.ts';
import { overHttp, overStdio, startMcpService, type McpService } from '../support/mcp-service.ts';
import { Wire } from '../support/mcp-wire.ts';
import { findNeedles, storedFiles, type Needle, type Stored } from '../support/raw-scan.ts';
import { until } from '../support/until.ts';

const secret = 'leaky-key-7hQz2mXw94Lp';
const [argument = ''] = seededPans(1, 'argument');
const marker = 'harmlessmarkerqwhvzk';
// their answers are what they were sent, and what they were given
const withoutCard = new Set(['sql', 'secret']);
const panNeedles: readonly Needle[] = [...cards]
  .filter(([from]) => !withoutCard.has(from))
  .flatMap(([from, { pan, long, code }]) => [
    { text: pan, from: `pan ${from}` },
    { text: long, from: `long ${from}` },
    { text: code, from: `code ${from}` },
  ]);
const needles: readonly Needle[] = [...panNeedles, { text: secret, from: 'secret' }, { text: argument, from: 'argument' }];

let server: RawServer;
let service: McpService;
beforeAll(async () => {
  [server, service] = await Promise.all([serveRaw(answerLeaky), startMcpService()]);
  const header = { type: 'header', header: 'x-leaky-key', prefix: '' };
  await service.add('by-http', { ...overHttp(server.url), credential: header }, { media: 'drop', password: secret });
  const script = join(root, 'test/fixtures/mcp/leaky-server.ts');
  for (const [name, credential] of [
    ['by-stdio', { type: 'environment', variable: 'LEAKY_KEY' }],
    ['by-file', { type: 'file', variable: 'LEAKY_KEY_FILE' }],
  ] as const) {
    await service.add(name, overStdio(script, [], { credential }), { media: 'drop', password: secret });
  }
  for (const name of resources) await service.agree(name);
});
afterAll(async () => {
  await service.stop();
  await server.close();
});

const resources = ['by-http', 'by-stdio', 'by-file'] as const;
type Era = 'legacy' | 'modern';
const eras: readonly Era[] = ['legacy', 'modern'];

const others: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['tools/list', {}],
  ['prompts/list', {}],
  ['prompts/get', { name: 'charge', arguments: { card: '1' } }],
  ['resources/list', {}],
  ['resources/templates/list', {}],
  ['resources/read', { uri: 'leak://card' }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'charge' }, argument: { name: 'card', value: '4' } }],
];

/** Everything a caller can get of the server, as bytes. Gives how many answers were results. */
async function walk(place: McpPlace, era: Era): Promise<{ received: string[]; results: number }> {
  const wire = new Wire(place);
  const send = era === 'legacy' ? await wire.legacy() : wire.modern.bind(wire);
  const headers = { 'x-leaky-key': secret };
  let results = 0;
  if (era === 'modern') await wire.modern('server/discover');
  for (const [method, params] of others) results += (await send(method, params, { headers })).last.result === undefined ? 0 : 1;
  for (const name of shapeNames.filter((each) => each !== 'asked')) {
    const given = { name, arguments: { sql: `insert into cards values ('${argument}') -- ${marker}` }, _meta: { progressToken: `token-${name}` } };
    const sent =
      era === 'legacy'
        ? send('tools/call', given, { headers })
        : wire.modern('tools/call', { name, arguments: given.arguments }, { headers, meta: given._meta });
    results += (await sent).last.result === undefined ? 0 : 1;
  }
  if (era === 'modern') {
    const round = await wire.modern('tools/call', { name: 'asked' });
    expect(round.last.result?.['resultType']).toBe('input_required');
    results++;
  }
  wire.close();
  return { received: wire.received, results };
}

/** What a client of the older era is asked by the server, as its handlers see it. */
async function questions(place: McpPlace): Promise<string[]> {
  const heard: string[] = [];
  const user = await sdk2(place, 'legacy', { capabilities: { elicitation: { form: {} }, sampling: {} } });
  user.client.setRequestHandler('elicitation/create', (request) => {
    heard.push(JSON.stringify(request));
    return { action: 'accept', content: { ok: 'yes' } };
  });
  user.client.setRequestHandler('sampling/createMessage', (request) => {
    heard.push(JSON.stringify(request));
    return { model: 'none', role: 'assistant', content: { type: 'text', text: 'a card' } };
  });
  expect((await user.call('asked', {})).content).toEqual([{ type: 'text', text: 'done' }]);
  await user.close();
  return heard;
}

/** As a reader would read it: every text and number of every message, of JSON in texts, of base64. */
function readable(received: readonly string[]): Stored[] {
  const texts: string[] = [];
  const visit = (value: unknown, depth = 0): void => {
    if (typeof value === 'string') {
      texts.push(value);
      if (depth > 6) return;
      for (const part of [value, Buffer.from(value, 'base64').toString('utf8')]) visitJson(part, depth);
      if (/^[A-Za-z0-9+/]{12,}={0,2}$/.test(value)) texts.push(Buffer.from(value, 'base64').toString('latin1'));
    } else if (typeof value === 'number') texts.push(String(value));
    else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        texts.push(key);
        visit(member, depth);
      }
    }
  };
  const visitJson = (text: string, depth: number): void => {
    if (!/[[{]/.test(text)) return;
    try {
      visit(JSON.parse(text), depth + 1);
    } catch {
      // no JSON
    }
  };
  for (const text of received) for (const line of text.split('\n')) visit(line.replace(/^data: /, ''));
  return [
    { name: 'as it came', bytes: Buffer.from(received.join('\n')) },
    { name: 'as it is read', bytes: Buffer.from(texts.join('\n')) },
    { name: 'without separators', bytes: Buffer.from(texts.map((text) => text.replaceAll(/(?<=\d)[ -](?=\d)/g, '')).join('\n')) },
  ];
}

/** Verification values stand as words of their own. */
function verificationValues(stored: readonly Stored[]): string[] {
  const word = new RegExp(`(?<![\\w.])(?:${cvv}|${cvvNumber})(?![\\w])`, 'g');
  return stored.flatMap(({ name, bytes }) => {
    const text = bytes.toString('utf8');
    return [...text.matchAll(word)].map(({ index }) => `${name}: ${text.slice(Math.max(0, index - 40), index + 10)}`);
  });
}

describe('the careless server, directly', () => {
  it.each(eras)('gives everything away: each number is found that is looked for below (%s)', async (era) => {
    const { received } = await walk({ url: server.url }, era);
    const heard = era === 'legacy' ? await questions({ url: server.url }) : [];
    const found = readable([...received, ...heard]);
    const missing = needles.filter((needle) => findNeedles(found, [needle]).length === 0).map(({ from }) => from);
    // not every shape has a place for a card of more digits, or for a value of letters
    expect(missing.filter((from) => !/^(long|code) /.test(from))).toEqual([]);
    expect(panNeedles.length - missing.length).toBeGreaterThan(panNeedles.length / 2);
    expect(verificationValues(found).length).toBeGreaterThan(10);
  });
});

describe('the careless server, behind the gateway', () => {
  for (const resource of resources) {
    it.each(eras)(`shows no card number, verification value or key (${resource}, %s)`, async (era) => {
      const { received, results } = await walk(service.place(resource), era);
      const heard = era === 'legacy' ? await questions(service.place(resource)) : [];
      const found = readable([...received, ...heard]);
      expect(findNeedles(found, needles)).toEqual([]);
      expect(verificationValues(found)).toEqual([]);
      // it is masked, not missing: all but the one that is an error
      expect(results).toBe(shapeNames.length + others.length - (era === 'legacy' ? 2 : 1));
      expect(findNeedles(found, [{ text: marker, from: 'marker' }]).length).toBeGreaterThan(0);
      if (era === 'legacy') expect(heard).toHaveLength(2);
    });
  }

  it.each(eras)('answers what its schema promises, so that libraries take it (%s)', async (era) => {
    const user = await sdk2(service.place('by-http'), era);
    const [tool] = (await user.listTools()).filter(({ name }) => name === 'typed');
    expect(tool).toBeDefined();
    const { structuredContent } = await user.call('typed', {});
    await user.close();
    expect(structuredContent).toMatchObject({ pan: expect.stringMatching(/^\d{6}\D{6}\d{4}$/) as string, amount: expect.any(Number) as number });
  });

  it('leaves pictures and sound out: nobody can look for card data in them', async () => {
    const user = await sdk2(service.place('by-http'), 'legacy');
    const { content } = await user.call('picture', {});
    await user.close();
    expect(content).toEqual([
      { type: 'image', mimeType: 'image/png', data: '' },
      { type: 'audio', mimeType: 'audio/wav', data: '' },
    ]);
  });
});

describe('what is stored of it', () => {
  let stored: Stored[] = [];
  beforeAll(async () => {
    await until('the sessions ended', async () => {
      const { items } = await askControl<{ items: { id: string }[] }>(service.appliance, '/v1/sessions?limit=1000&state=live');
      for (const { id } of items) await service.api('POST', `/v1/sessions/${id}/kill`, { reason: 'the test looks at its recording' }).catch(() => undefined);
      return items.length === 0;
    });
    await sleep(1_000);
    stored = [
      ...(await recordings()),
      { name: 'the log', bytes: Buffer.from((await allEvents(service.appliance)).map((event) => JSON.stringify(event)).join('\n')) },
    ];
  });

  async function recordings(): Promise<Stored[]> {
    const { items } = await askControl<{ items: { id: string }[] }>(service.appliance, '/v1/sessions?limit=1000');
    const found: Stored[] = [];
    for (const { id } of items) {
      const lines = (await readControl(service.appliance, `/v1/sessions/${id}/recording`).catch(() => '')).split('\n').filter((line) => line !== '');
      const entries = lines.map((line) => JSON.parse(line) as { kind: string; data: string });
      const bytes = Buffer.concat(entries.map(({ kind, data }) => Buffer.from(data, kind === 'frames' ? 'base64' : 'utf8')));
      found.push({ name: `recording of ${id}`, bytes }, ...readable([bytes.toString('utf8')]));
    }
    return found;
  }

  it('is really looked at', () => {
    const found = findNeedles(stored, [{ text: marker, from: 'marker' }]);
    expect(found).toContain('the log: plain marker');
    expect(found.some((place) => place.startsWith('recording of'))).toBe(true);
  });

  it('holds no card number, verification value or key, in recordings, log and files', async () => {
    expect(findNeedles(stored, needles)).toEqual([]);
    expect(verificationValues(stored)).toEqual([]);
    expect(findNeedles(storedFiles(service.appliance.dir, ['admin.token']), [...needles, { text: marker, from: 'marker' }])).toEqual([]);
  });

  it('is clean to doctor --self-scan', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'postern-needles-'));
    const file = join(dir, 'needles');
    writeFileSync(file, `${needles.map(({ text }) => text).join('\n')}\n`);
    const { out } = await service.appliance.cli(['--json', 'doctor', '--self-scan', '--needles', file]);
    rmSync(dir, { recursive: true });
    expect(JSON.parse(out)).toMatchObject({ scan: { findings: [], unreadable: [], clean: true } });
  });
});
