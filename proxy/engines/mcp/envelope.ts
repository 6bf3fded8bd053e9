import { fail, type ErrorCode } from '../../contract/errors.ts';
import { AppError } from '../../lib/errors.ts';
import { caseVariants } from '../../lib/json/case-variants.ts';
import { member, text, type JsonMember, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import { parseJson, type JsonLimits } from '../../lib/json/strict-json.ts';

/** The longest message either side may send. */
export const maxMessageBytes = 10_485_760;
const limits = { maxBytes: maxMessageBytes, maxDepth: 64 };
/** each value of a message that is decided costs work at every step, so it has fewer than one that only passes by */
const maxNodes = { decided: 50_000, passing: 1_000_000 } as const satisfies Record<string, JsonLimits['maxNodes']>;

interface Parsed {
  readonly node: JsonObject;
  readonly params: JsonObject | undefined;
}
export interface RequestMessage extends Parsed {
  readonly kind: 'request';
  readonly id: JsonNode;
  /** equal for equal ids: a number and a string of the same digits differ */
  readonly key: string;
  readonly method: string;
}
export interface NotificationMessage extends Parsed {
  readonly kind: 'notification';
  readonly method: string;
}
export interface ResponseMessage {
  readonly kind: 'response';
  readonly node: JsonObject;
  /** null: an error that answers nothing that could be read */
  readonly key: string | null;
  readonly result: JsonNode | undefined;
  readonly error: JsonNode | undefined;
}
/** One JSON-RPC 2.0 message; unknown members stay in `node`. */
export type Message = RequestMessage | NotificationMessage | ResponseMessage;

const envelopeNames = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'];
const paramNames = ['_meta', 'name', 'arguments', 'uri', 'ref', 'argument', 'task', 'taskId', 'requestState', 'inputResponses', 'notifications', 'cursor'];
const metaNames = ['progressToken'];
const methodText = /^[A-Za-z0-9_$./-]{1,128}$/;
const maxIdChars = 256;

/**
 * Parses one message strictly (mcp.md E1). `passing`: what a server says; its requests are decided all the same. Throws
 * ERR_PROTOCOL_VIOLATION.
 */
export function readMessage(bytes: Uint8Array, use: keyof typeof maxNodes = 'decided'): Message {
  const message = messageOf(parseJson(bytes, { ...limits, maxNodes: maxNodes[use] }));
  return use === 'passing' && message.kind === 'request' ? readMessage(bytes) : message;
}

/** True when the fault is one of the JSON text and not of the message in it. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof AppError && error.message.startsWith('The JSON text is refused');
}

function messageOf(node: JsonNode): Message {
  if (node.kind === 'array') throw malformed('JSON-RPC batches are refused');
  if (node.kind !== 'object') throw malformed('it is no JSON object');
  const likened = caseVariants(node, envelopeNames);
  if (likened !== null) throw malformed(`a member only resembles "${likened}"`);
  if (text(member(node, 'jsonrpc')) !== '2.0') throw malformed('it is not JSON-RPC 2.0');
  return member(node, 'method') === undefined ? responseOf(node) : calling(node);
}

function responseOf(node: JsonObject): ResponseMessage {
  const [result, error, id] = [member(node, 'result'), member(node, 'error'), member(node, 'id')];
  if ((result === undefined) === (error === undefined)) throw malformed('it is neither call nor answer');
  const key = id === undefined || id.kind === 'null' ? null : keyOf(id);
  if (key === null && error === undefined) throw malformed('an answer without id');
  return { kind: 'response', node, key, result, error };
}

function calling(node: JsonObject): RequestMessage | NotificationMessage {
  const method = text(member(node, 'method'));
  if (method === undefined || !methodText.test(method)) throw malformed('the method is no plain name');
  if (member(node, 'result') !== undefined || member(node, 'error') !== undefined) throw malformed('it is call and answer at once');
  const params = member(node, 'params');
  if (params !== undefined && params.kind !== 'object') throw malformed('the parameters are no object');
  checkParams(params);
  const id = member(node, 'id');
  return id === undefined ? { kind: 'notification', node, params, method } : { kind: 'request', node, params, method, id, key: keyOf(id) };
}

function checkParams(params: JsonObject | undefined): void {
  if (params === undefined) return;
  const meta = member(params, '_meta');
  const likened = caseVariants(params, paramNames) ?? (meta === undefined ? null : caseVariants(meta, metaNames));
  if (likened !== null) throw malformed(`a parameter only resembles "${likened}"`);
  if (meta !== undefined && meta.kind !== 'object') throw malformed('_meta is no object');
}

function keyOf(id: JsonNode): string {
  if (id.kind === 'string' && id.text.length <= maxIdChars) return `s${id.text}`;
  if (id.kind === 'number' && /^-?\d{1,16}$/.test(id.text)) return `n${id.text}`;
  throw malformed('the id is neither a short string nor an integer');
}

/** An id or progress token as a key; null when it is neither. */
export function tokenKey(token: JsonNode | undefined): string | null {
  if (token?.kind === 'string' && token.text.length <= maxIdChars) return `s${token.text}`;
  return token?.kind === 'number' && token.text.length <= 32 ? `n${token.text}` : null;
}

function malformed(why: string): AppError<ErrorCode> {
  return fail('ERR_PROTOCOL_VIOLATION', { message: `The message is refused: ${why}.` });
}

/** The object with `key` set, where it was or at the end; `undefined` takes it away. */
export function withMember(node: JsonObject, key: string, value: JsonNode | undefined): JsonObject {
  const members: JsonMember[] = [];
  let isSet = value === undefined;
  for (const each of node.members) {
    if (each.key !== key) members.push(each);
    else if (value !== undefined) {
      members.push({ key, value });
      isSet = true;
    }
  }
  if (!isSet && value !== undefined) members.push({ key, value });
  return { kind: 'object', members };
}

export function objectOf(members: Readonly<Record<string, JsonNode>>): JsonObject {
  return { kind: 'object', members: Object.entries(members).map(([key, value]) => ({ key, value })) };
}

export function stringNode(value: string): JsonNode {
  return { kind: 'string', text: value };
}

/** `params._meta` of a message, or undefined. */
export function metaOf(params: JsonObject | undefined): JsonObject | undefined {
  const meta = member(params, '_meta');
  return meta?.kind === 'object' ? meta : undefined;
}
