import { errorTable, type ErrorCode } from '../../contract/errors.ts';
import { fromValue, type JsonNode } from '../../lib/json/node.ts';
import { serialise } from '../../lib/json/serialise.ts';
import type { Denial } from '../../pipeline/engine.ts';
import type { Era } from './era.ts';
import { objectOf, stringNode } from './envelope.ts';

/** Where our own word on a call stands in a result: what a tool answers must fit its schema, `_meta` need not. */
const denialKey = 'postern/error';
const version: JsonNode = stringNode('2.0');
const noId: JsonNode = { kind: 'null' };

export interface Told {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** the approval request */
  readonly request?: string;
}

/** JSON-RPC's own codes; ours lie outside the range that the protocol keeps for itself (mcp.md E6): the HTTP status of the error. */
export type RpcCode = -32700 | -32600 | -32601 | -32602 | -32603 | -32020;

export function errorAnswer(id: JsonNode | null, code: RpcCode, told: Told): Uint8Array {
  return errorBytes(id, code, told);
}

/** The server does not speak the revision; `supported` is its own list (2026-07-28). */
export function unsupportedVersion(id: JsonNode, requested: string, supported: JsonNode): Uint8Array {
  const data = objectOf({ supported, requested: stringNode(requested) });
  const error = objectOf({ code: { kind: 'number', text: '-32022' }, message: stringNode('Unsupported protocol version'), data });
  return serialise(objectOf({ jsonrpc: version, id, error }));
}

/** In our own words, for what is no fault of the message. */
export function refusalAnswer(id: JsonNode | null, told: Told): Uint8Array {
  return errorBytes(id, errorTable[told.code].status, told);
}

function errorBytes(id: JsonNode | null, code: number, told: Told): Uint8Array {
  return serialise(objectOf({ jsonrpc: version, id: id ?? noId, error: fromValue(errorOf(code, told)) }));
}

/** The `error` of an answer. */
export function errorOf(code: number, told: Told): { code: number; message: string; data: Record<string, string> } {
  return { code, message: told.message, data: dataOf(told) };
}

/** A refused tool call as a result that the model can read. */
export function toolRefusal(id: JsonNode, told: Told, era: Era): Uint8Array {
  const text = [sentence(told.message), sentence(told.hint), `(${told.code})`].filter((part) => part !== '').join(' ');
  const result = fromValue({
    ...(era === 'modern' && { resultType: 'complete' }),
    content: [{ type: 'text', text }],
    isError: true,
    _meta: { [denialKey]: dataOf(told) },
  });
  return resultAnswer(id, result);
}

export function resultAnswer(id: JsonNode, result: JsonNode): Uint8Array {
  return serialise(objectOf({ jsonrpc: version, id, result }));
}

/** The caller is to come back with `state`; it needs to do nothing else (2026-07-28, MRTR). */
export function comeBack(id: JsonNode, state: string): Uint8Array {
  return resultAnswer(id, fromValue({ resultType: 'input_required', requestState: state }));
}

export function notification(method: string, params: unknown): Uint8Array {
  return serialise(objectOf({ jsonrpc: version, method: stringNode(method), params: fromValue(params) }));
}

export function toldOf({ code, message, hint }: Denial, request?: string): Told {
  return { code, message, hint, ...(request !== undefined && { request }) };
}

function dataOf({ code, message, hint, request }: Told): Record<string, string> {
  return { code, message, hint, ...(request !== undefined && { request }) };
}

/** Administrators write messages and hints with and without a full stop. */
function sentence(text: string): string {
  return text === '' || /[.!?:]$/.test(text) ? text : `${text}.`;
}
