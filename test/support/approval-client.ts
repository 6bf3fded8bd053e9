import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Appliance } from './appliance.ts';

/** The approvals API as a program of somebody else would use it: it shares no code with the service. */

/** A request as the API shows it. */
export interface RequestShown {
  readonly id: string;
  readonly status: 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn' | 'used';
  readonly canonical: {
    readonly expiresAt: string;
    readonly terms: { readonly needed: number };
    readonly subject: { readonly kind: string; readonly command?: string };
  };
  readonly decisions: readonly DecisionShown[];
  readonly closedReason: string | null;
}

interface DecisionShown {
  readonly request: string;
  readonly verdict: 'approve' | 'deny';
  readonly approver: string;
  readonly human: string;
  readonly reason: string;
  readonly at: string;
  readonly signature: { readonly type: string; readonly key: string; readonly signature: string };
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const answerDeadlineMs = 30_000;

/** RFC 8785 for what the API gives: texts, integers, lists, objects. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}

function signed(key: KeyObject, text: unknown): string {
  return sign(null, Buffer.from(canonical(text)), key).toString('base64url');
}

/** The control API over connections that are kept. */
export class ControlApi {
  readonly #appliance: Appliance;
  readonly #ca: Buffer;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly admin: string;

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
    this.#ca = readFileSync(appliance.caFile);
    this.admin = readFileSync(join(appliance.dir, 'admin.token'), 'utf8').trim();
  }

  /** Never throws for a status. */
  async call(method: string, path: string, options: { token?: string | undefined; body?: unknown } = {}): Promise<Answer> {
    const { token, body } = options;
    const text = body === undefined ? '' : JSON.stringify(body);
    for (;;) {
      const sent = this.#send(method, path, { token, text, timeout: answerDeadlineMs });
      try {
        const response = await sent.response;
        let answer = '';
        for await (const chunk of response.setEncoding('utf8')) answer += String(chunk);
        return { status: response.statusCode ?? 0, body: JSON.parse(answer) as unknown };
      } catch (error) {
        // the server closed a kept connection while we wrote to it
        if (!sent.reused()) throw error;
      }
    }
  }

  /** As the administrator. Throws unless it succeeds; `T` is what the API promises for the path. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, body: answer } = await this.call(method, path, { token: this.admin, body });
    if (status !== 200) throw new Error(`${method} ${path}: ${String(status)} ${JSON.stringify(answer)}`);
    return answer as T;
  }

  /** Every request there is, or those with this status. */
  async requests(status?: string): Promise<RequestShown[]> {
    const found: RequestShown[] = [];
    for (let next: string | null = ''; next !== null; ) {
      const query: string = `limit=1000${status === undefined ? '' : `&status=${status}`}${next === '' ? '' : `&cursor=${next}`}`;
      const page: { items: RequestShown[]; next: string | null } = await this.ask('GET', `/v1/approval-requests?${query}`);
      found.push(...page.items);
      next = page.next;
    }
    return found;
  }

  /** The one stream of changes; on a connection of its own. */
  stream(path: string): Promise<IncomingMessage> {
    return this.#send('GET', path, { token: this.admin, text: '', timeout: 0 }).response;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    method: string,
    path: string,
    { token, text, timeout }: { token: string | undefined; text: string; timeout: number },
  ): { response: Promise<IncomingMessage>; reused: () => boolean } {
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(text !== '' && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
    };
    const asked = request(new URL(path, this.#appliance.controlUrl), { method, headers, ca: this.#ca, agent: this.#agent, timeout });
    asked.once('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      asked.once('response', resolve);
      asked.once('error', reject);
    });
    asked.end(text);
    return { response, reused: () => asked.reusedSocket };
  }
}

/** A person with a key that this process made, enrolled and signed in through the API. */
export class SigningApprover {
  readonly human: string;
  readonly #api: ControlApi;
  readonly #key: KeyObject;
  readonly #id: string;
  readonly #keyId: string;
  readonly #token: string;

  private constructor(api: ControlApi, own: { human: string; key: KeyObject; id: string; keyId: string; token: string }) {
    this.#api = api;
    this.human = own.human;
    this.#key = own.key;
    this.#id = own.id;
    this.#keyId = own.keyId;
    this.#token = own.token;
  }

  static async add(api: ControlApi, name: string, groups: readonly string[]): Promise<SigningApprover> {
    const human = `${name}@example.com`;
    await api.ask('POST', '/v1/users', { name, human, groups });
    const invited = await api.ask<{ code: string }>('POST', `/v1/users/${name}/invitations`, {});
    const { service, code } = JSON.parse(Buffer.from(invited.code.replace('postern-enrol:', ''), 'base64url').toString()) as { service: string; code: string };
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const shown = publicKey.export({ format: 'jwk' }).x ?? '';
    const hash = createHash('sha256').update(code).digest('base64url');
    const proof = signed(privateKey, { type: 'postern-enrolment', v: 1, code: hash, publicKey: shown });
    const user = await api.ask<{ id: string; key: { id: string } }>('POST', '/v1/enrolments', { code, publicKey: shown, proof });
    const signIn = { user: name, at: new Date().toISOString(), nonce: randomBytes(32).toString('base64url') };
    const signature = signed(privateKey, { type: 'postern-sign-in', v: 1, service, ...signIn });
    const { token } = await api.ask<{ token: string }>('POST', '/v1/sign-in', { ...signIn, signature });
    return new SigningApprover(api, { human, key: privateKey, id: user.id, keyId: user.key.id, token });
  }

  async decide({ id, canonical: shown }: RequestShown, verdict: 'approve' | 'deny'): Promise<Answer> {
    const text = { verdict, approver: this.#id, human: this.human, reason: 'looked at it', at: new Date().toISOString() };
    const signature = signed(this.#key, { type: 'postern-decision', v: 1, request: shown, ...text });
    const decision = { request: id, ...text, signature: { type: 'ed25519', key: this.#keyId, signature } };
    return this.#api.call('POST', `/v1/approval-requests/${id}/decisions`, { token: this.#token, body: { decision } });
  }

  revoke({ id }: RequestShown): Promise<Answer> {
    return this.#api.call('POST', `/v1/approval-requests/${id}/revoke`, { token: this.#token, body: { reason: 'changed my mind' } });
  }

  /** Whether this person's key signed this decision on this very request. */
  signed({ id, canonical: shown }: RequestShown, { request: about, signature, ...text }: DecisionShown): boolean {
    if (about !== id || signature.key !== this.#keyId || text.approver !== this.#id) return false;
    const bytes = Buffer.from(canonical({ type: 'postern-decision', v: 1, request: shown, ...text }));
    return verify(null, bytes, createPublicKey(this.#key), Buffer.from(signature.signature, 'base64url'));
  }
}

/** Every change of a request, from one stream of server-sent events. */
export class ApprovalWatch {
  /** why the stream ended; null: it runs */
  broken: string | null = null;
  readonly #source: IncomingMessage;
  readonly #keyOf: (request: RequestShown) => string | undefined;
  readonly #latest = new Map<string, RequestShown>();
  readonly #waiting = new Map<string, Set<(request: RequestShown) => void>>();

  private constructor(source: IncomingMessage, keyOf: (request: RequestShown) => string | undefined) {
    this.#source = source;
    this.#keyOf = keyOf;
    let text = '';
    source.setEncoding('utf8').on('data', (chunk: string) => {
      const events = (text + chunk).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) this.#take(event);
    });
    source.on('error', () => undefined);
    source.once('close', () => (this.broken ??= 'the stream ended'));
  }

  /** `keyOf`: what a request is looked up by */
  static async open(api: ControlApi, keyOf: (request: RequestShown) => string | undefined): Promise<ApprovalWatch> {
    return new ApprovalWatch(await api.stream('/v1/approval-requests/watch'), keyOf);
  }

  latest(key: string): RequestShown | undefined {
    return this.#latest.get(key);
  }

  /** As soon as the request of this key is one of that kind; null when `given` comes first. */
  when(key: string, fits: (request: RequestShown) => boolean, given: Promise<unknown>): Promise<RequestShown | null> {
    const known = this.#latest.get(key);
    if (known !== undefined && fits(known)) return Promise.resolve(known);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    return new Promise((resolve) => {
      const listener = (request: RequestShown): void => {
        if (fits(request)) end(request);
      };
      const end = (request: RequestShown | null): void => {
        waiting.delete(listener);
        resolve(request);
      };
      waiting.add(listener);
      void given.then(() => {
        end(null);
      });
    });
  }

  close(): void {
    this.#source.destroy();
  }

  #take(event: string): void {
    const data = event.split('\n').find((line) => line.startsWith('data: '));
    if (data === undefined) return;
    if (event.includes('event: error')) {
      this.broken = data;
      return;
    }
    // the test fails on any other form
    const { request: shown } = JSON.parse(data.slice(6)) as { request: RequestShown };
    const key = this.#keyOf(shown);
    if (key === undefined) return;
    this.#latest.set(key, shown);
    for (const listener of [...(this.#waiting.get(key) ?? [])]) listener(shown);
  }
}
