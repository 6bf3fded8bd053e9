import { Agent as PlainAgent, request as plainRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import { z } from 'zod';
import type { McpPlace } from './mcp-clients.ts';

const Message = z.looseObject({
  id: z.unknown().optional(),
  method: z.string().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.looseObject({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
});
export type WireMessage = z.infer<typeof Message>;

export interface WireAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** the body as it came */
  readonly text: string;
  /** the messages in it, in their order; none when it is no JSON */
  readonly messages: readonly WireMessage[];
  /** what came last, which is the answer */
  readonly last: WireMessage;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** below the address */
  readonly path?: string;
  readonly signal?: AbortSignal;
}

const deadlineMs = 30_000;
const modernVersion = '2026-07-28';
const legacyVersion = '2025-11-25';

/** A client that sends what no library would, and keeps every byte that comes back. */
export class Wire {
  readonly #place: McpPlace;
  readonly #agent: Agent | PlainAgent;
  readonly #request: typeof request;
  /** of everything that came */
  readonly received: string[] = [];
  #id = 0;

  constructor(place: McpPlace) {
    this.#place = place;
    const isPlain = place.url.startsWith('http:');
    this.#agent = isPlain ? new PlainAgent({ keepAlive: true }) : new Agent({ keepAlive: true, ...(place.ca !== undefined && { ca: place.ca }) });
    this.#request = isPlain ? plainRequest : request;
  }

  /** Any bytes. */
  send(body: string | Uint8Array | null, { method = 'POST', headers = {}, path = '', signal }: Sent = {}): Promise<WireAnswer> {
    const usual = { accept: 'application/json, text/event-stream', 'content-type': 'application/json', authorization: `Bearer ${this.#place.token ?? ''}` };
    const all: Readonly<Record<string, string | undefined>> = { ...usual, ...headers };
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    return new Promise((resolve, reject) => {
      const asked = this.#request(
        new URL(this.#place.url + path),
        { method, agent: this.#agent, headers: given, timeout: deadlineMs * 3, ...(signal !== undefined && { signal }) },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          const done = (): void => {
            const text = Buffer.concat(chunks).toString('utf8');
            this.received.push(text, JSON.stringify(response.headers));
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text, ...messagesOf(text) });
          };
          response.once('end', done);
          // cut off: what came is what there is
          response.once('error', done);
        },
      );
      asked.once('error', reject);
      asked.end(body ?? undefined);
    });
  }

  /** A request of 2026-07-28, with all it needs. */
  modern(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    { meta = {}, ...sent }: Sent & { meta?: Readonly<Record<string, unknown>> } = {},
  ): Promise<WireAnswer> {
    return this.send(JSON.stringify(this.modernBody(method, params, meta)), { ...sent, headers: { ...modernHeaders(method, params), ...sent.headers } });
  }

  modernBody(method: string, params: Readonly<Record<string, unknown>> = {}, meta: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': modernVersion,
      'io.modelcontextprotocol/clientInfo': { name: 'wire', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} }, sampling: {} },
      ...meta,
    };
    return { jsonrpc: '2.0', id: ++this.#id, method, params: { ...params, _meta } };
  }

  /** Begins a session of 2025-11-25; gives what its requests are sent with. */
  async legacy(): Promise<(method: string, params?: Readonly<Record<string, unknown>>, sent?: Sent) => Promise<WireAnswer>> {
    const version = { 'mcp-protocol-version': legacyVersion };
    const given = { protocolVersion: legacyVersion, capabilities: {}, clientInfo: { name: 'wire', version: '1' } };
    const begun = await this.send(JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method: 'initialize', params: given }));
    const session = begun.headers['mcp-session-id'];
    const headers = { ...version, ...(typeof session === 'string' && { 'mcp-session-id': session }) };
    if (begun.last.result === undefined) throw new Error(`no session: ${String(begun.status)} ${begun.text}`);
    await this.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }), { headers });
    return (method, params = {}, sent = {}) =>
      this.send(JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params }), { ...sent, headers: { ...headers, ...sent.headers } });
  }

  close(): void {
    this.#agent.destroy();
  }
}

export function modernHeaders(method: string, params: Readonly<Record<string, unknown>> = {}): Record<string, string> {
  const name = params['name'] ?? params['uri'];
  const isNamed = ['tools/call', 'prompts/get', 'resources/read'].includes(method) && typeof name === 'string';
  return { 'mcp-protocol-version': modernVersion, 'mcp-method': method, ...(isNamed && { 'mcp-name': name }) };
}

function messagesOf(text: string): Pick<WireAnswer, 'messages' | 'last'> {
  const texts =
    text.includes('data:') && !text.startsWith('{') ? text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : [])) : [text];
  const messages = texts.flatMap((each) => {
    try {
      const parsed = Message.safeParse(JSON.parse(each));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
  return { messages, last: messages.at(-1) ?? {} };
}
