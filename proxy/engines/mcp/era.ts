import type { IncomingHttpHeaders } from 'node:http';
import { member, text, type JsonObject } from '../../lib/json/node.ts';
import { metaOf, type NotificationMessage, type RequestMessage } from './envelope.ts';

/** `legacy`: sessions, up to 2025-11-25; `modern`: each request stands alone, from 2026-07-28. */
export type Era = 'legacy' | 'modern';

export interface HeaderFault {
  readonly status: 400;
  /** JSON-RPC */
  readonly code: -32020 | -32602;
  readonly message: string;
}

export const versionKey = 'io.modelcontextprotocol/protocolVersion';
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';
const firstModern = '2026-07-28';
const versionText = /^\d{4}-\d{2}-\d{2}$/;

/** Which revision a message is written in: what its body says, else its header. */
export function eraOf(message: RequestMessage | NotificationMessage, headers: IncomingHttpHeaders): Era {
  const claimed = text(member(metaOf(message.params), versionKey));
  if (message.method === 'initialize' && (claimed === undefined || !isModern(claimed))) return 'legacy';
  if (claimed !== undefined || member(metaOf(message.params), versionKey) !== undefined) return 'modern';
  const version = headers['mcp-protocol-version'];
  return typeof version === 'string' && isModern(version) ? 'modern' : 'legacy';
}

export function isModern(version: string): boolean {
  return versionText.test(version) && version >= firstModern;
}

/** The revision that a message claims for itself. */
export function claimedVersion({ params }: RequestMessage | NotificationMessage): string | undefined {
  return text(member(metaOf(params), versionKey));
}

/** What headers and body of a modern message say must be the same (mcp.md E2): whoever looks at one would decide on something else. */
export function headerFault(message: RequestMessage | NotificationMessage, headers: IncomingHttpHeaders): HeaderFault | null {
  const [version, method] = [headers['mcp-protocol-version'], headers['mcp-method']];
  const claimed = claimedVersion(message);
  if (message.method === 'initialize' && claimed === undefined) return mismatch('initialize is none of the revision in MCP-Protocol-Version');
  const missing = message.kind === 'request' ? missingFault(message, headers) : null;
  if (missing !== null) return missing;
  if (version !== undefined && claimed !== undefined && version !== claimed) return mismatch('MCP-Protocol-Version differs from _meta');
  if (method !== undefined && method !== message.method) return mismatch('Mcp-Method differs from the method');
  return message.kind === 'request' ? nameFault(message, headers['mcp-name']) : null;
}

function missingFault(message: RequestMessage, headers: IncomingHttpHeaders): HeaderFault | null {
  if (claimedVersion(message) === undefined) return lacking(versionKey);
  if (member(metaOf(message.params), capabilitiesKey)?.kind !== 'object') return lacking(capabilitiesKey);
  if (headers['mcp-protocol-version'] === undefined) return mismatch('MCP-Protocol-Version is missing');
  return headers['mcp-method'] === undefined ? mismatch('Mcp-Method is missing') : null;
}

function lacking(key: string): HeaderFault {
  return { status: 400, code: -32602, message: `Invalid params: _meta lacks ${key}.` };
}

function nameFault({ method, params }: RequestMessage, header: string | string[] | undefined): HeaderFault | null {
  const source = nameSource(method);
  if (source === null) return null;
  const value = text(member(params, source));
  if (value === undefined) return null;
  if (typeof header !== 'string') return mismatch('Mcp-Name is missing');
  return decodedHeader(header) === value ? null : mismatch(`Mcp-Name differs from params.${source}`);
}

/** The parameter that Mcp-Name repeats. */
function nameSource(method: string): string | null {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return 'name';
    case 'resources/read':
      return 'uri';
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel':
      return 'taskId';
    default:
      return null;
  }
}

export interface ParamHeader {
  /** what follows `Mcp-Param-` */
  readonly name: string;
  /** where its value is in the arguments */
  readonly path: readonly string[];
  readonly isNumeric: boolean;
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const maxParamHeaders = 64;
const maxSchemaDepth = 16;

/** The parameters that a tool wants repeated in headers (`x-mcp-header`), along `properties` only. */
export function paramHeaders(inputSchema: JsonObject): ParamHeader[] {
  const found: ParamHeader[] = [];
  const visit = (schema: JsonObject, path: readonly string[]): void => {
    const name = text(member(schema, 'x-mcp-header'));
    const type = text(member(schema, 'type'));
    if (name !== undefined && path.length > 0 && token.test(name) && found.length < maxParamHeaders) {
      found.push({ name, path, isNumeric: type === 'integer' || type === 'number' });
    }
    const properties = member(schema, 'properties');
    if (properties?.kind !== 'object' || path.length >= maxSchemaDepth) return;
    for (const { key, value } of properties.members) if (value.kind === 'object') visit(value, [...path, key]);
  };
  visit(inputSchema, []);
  return found;
}

/** Like `headerFault`, for the headers of one tool. */
export function paramFault(message: RequestMessage, wanted: readonly ParamHeader[], headers: IncomingHttpHeaders): HeaderFault | null {
  for (const { name, path, isNumeric } of wanted) {
    const value = paramText(message, path);
    if (value === null) continue;
    const header = headers[`mcp-param-${name.toLowerCase()}`];
    if (typeof header !== 'string') return mismatch(`Mcp-Param-${name} is missing`);
    const decoded = decodedHeader(header);
    const isSame = decoded === value || (isNumeric && decoded !== null && decimal.test(decoded) && decimal.test(value) && Number(decoded) === Number(value));
    if (!isSame) return mismatch(`Mcp-Param-${name} differs from the argument`);
  }
  return null;
}

const decimal = /^-?\d{1,16}(\.\d{1,16})?$/;

function paramText({ params }: RequestMessage, path: readonly string[]): string | null {
  let node = member(params, 'arguments');
  for (const key of path) node = member(node, key);
  if (node?.kind === 'string' || node?.kind === 'number') return node.text;
  return node?.kind === 'boolean' ? String(node.value) : null;
}

/** Flat name and value pairs for the server, made anew from what is forwarded; unknown `Mcp-Param-*` go through as they came. */
export function modernHeaders(message: RequestMessage | NotificationMessage, wanted: readonly ParamHeader[], headers: IncomingHttpHeaders): string[] {
  const flat = ['mcp-method', message.method];
  const version = text(member(metaOf(message.params), versionKey)) ?? headers['mcp-protocol-version'];
  if (typeof version === 'string') flat.push('mcp-protocol-version', encodedHeader(version));
  const source = nameSource(message.method);
  const name = source === null ? undefined : text(member(message.params, source));
  if (name !== undefined) flat.push('mcp-name', encodedHeader(name));
  const derived = new Set<string>();
  for (const param of wanted) {
    const value = message.kind === 'request' ? paramText(message, param.path) : null;
    derived.add(`mcp-param-${param.name.toLowerCase()}`);
    if (value !== null) flat.push(`mcp-param-${param.name.toLowerCase()}`, encodedHeader(value));
  }
  for (const [key, value] of Object.entries(headers)) {
    if (key.startsWith('mcp-param-') && typeof value === 'string' && !derived.has(key)) flat.push(key, value);
  }
  return flat;
}

const plainHeader = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;
const coded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

function encodedHeader(value: string): string {
  return plainHeader.test(value) && !value.startsWith('=?base64?') ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}

/** Null: not base64 of UTF-8. */
function decodedHeader(header: string): string | null {
  if (!header.startsWith('=?base64?') || !header.endsWith('?=')) return header;
  const [, base64 = null] = coded.exec(header) ?? [];
  if (base64 === null) return null;
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return null;
  const value = bytes.toString('utf8');
  return Buffer.from(value).equals(bytes) ? value : null;
}

function mismatch(what: string): HeaderFault {
  return { status: 400, code: -32020, message: `Headers and body disagree: ${what}.` };
}
