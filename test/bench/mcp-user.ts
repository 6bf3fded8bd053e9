import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

export interface McpAddress {
  /** of the endpoint, with its path */
  readonly url: string;
  readonly token?: string;
  /** PEM, for `https` */
  readonly ca?: string;
}

export interface ToolCall {
  readonly tool: string;
  readonly message: string;
  /** asks for notifications of progress */
  readonly progressToken?: string;
}

const revision = '2025-11-25';
const readyMs = 60_000;

/** A client of one MCP session that does no more than it must: what it costs is in every figure. */
export class BenchUser {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  #id = 0;

  private constructor({ url, token, ca }: McpAddress, connections: number) {
    const { origin, pathname } = new URL(url);
    this.#pool = new Pool(origin, { connections, pipelining: 1, headersTimeout: 30_000, bodyTimeout: 30_000, ...(ca !== undefined && { connect: { ca } }) });
    this.#path = pathname;
    this.#headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    if (token !== undefined) this.#headers['authorization'] = `Bearer ${token}`;
  }

  /** Begins a session; tries again until the address answers. */
  static async begin(address: McpAddress, connections: number): Promise<BenchUser> {
    const user = new BenchUser(address, connections);
    for (const deadline = Date.now() + readyMs; ; ) {
      try {
        await user.#begin();
        return user;
      } catch (error) {
        if (Date.now() > deadline) {
          await user.#pool.destroy();
          throw error;
        }
        await sleep(100);
      }
    }
  }

  /** Every message of the answer, in order; the last is the result. Throws when that is none. */
  async call({ tool, message, progressToken }: ToolCall): Promise<readonly string[]> {
    const meta = progressToken === undefined ? {} : { _meta: { progressToken } };
    const { said } = await this.#ask('tools/call', { name: tool, arguments: { message }, ...meta });
    return said;
  }

  async listTools(): Promise<void> {
    await this.#ask('tools/list', {});
  }

  /** Ends the session, where the server knows such. */
  async close(): Promise<void> {
    if (this.#headers['mcp-session-id'] !== undefined) {
      const { body } = await this.#pool.request({ method: 'DELETE', path: this.#path, headers: this.#headers });
      await body.dump();
    }
    await this.#pool.close();
  }

  async #begin(): Promise<void> {
    const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } };
    const { session } = await this.#ask('initialize', params);
    if (session !== undefined) this.#headers['mcp-session-id'] = session;
    this.#headers['mcp-protocol-version'] = revision;
    const { statusCode, body } = await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    await body.dump();
    if (statusCode >= 300) throw new Error(`initialized: status ${statusCode}`);
  }

  async #ask(method: string, params: unknown): Promise<{ said: readonly string[]; session: string | undefined }> {
    const id = ++this.#id;
    const { statusCode, headers, body } = await this.#post({ jsonrpc: '2.0', id, method, params });
    const text = await body.text();
    const isStream = String(headers['content-type']).startsWith('text/event-stream');
    const said = isStream ? eventsOf(text) : [text];
    const last = said.at(-1) ?? '';
    const isAnswer = statusCode === 200 && last.includes('"result"') && last.includes(`"id":${id}`) && !last.includes('"isError":true');
    if (!isAnswer) throw new Error(`${method}: status ${statusCode}, ${text.slice(0, 300)}`);
    const session = headers['mcp-session-id'];
    return { said, session: typeof session === 'string' ? session : undefined };
  }

  #post(message: unknown): ReturnType<Pool['request']> {
    return this.#pool.request({ method: 'POST', path: this.#path, headers: this.#headers, body: JSON.stringify(message) });
  }
}

function eventsOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  return lines.map((line) => line.slice(5).trim()).filter((data) => data !== '');
}
