import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../wire/web/request-body.ts';

/** An error answer of the token endpoint, RFC 6749 section 5.2. */
export interface OAuthFault {
  readonly status: 400 | 401 | 429 | 503;
  readonly error:
    | 'invalid_request'
    | 'invalid_client'
    | 'invalid_grant'
    | 'unsupported_grant_type'
    | 'invalid_scope'
    | 'invalid_target'
    | 'temporarily_unavailable';
  readonly description: string;
}

const maxBytes = 65_536;
const deadlineMs = 10_000;
const maxParameters = 32;

export function invalidRequest(description: string): { readonly fault: OAuthFault } {
  return { fault: { status: 400, error: 'invalid_request', description } };
}

/** The parameters of a request to the token endpoint; empty ones count as absent (RFC 6749 section 3.2). Throws what `readBody` throws. */
export async function readForm(
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<{ readonly form: ReadonlyMap<string, string> } | { readonly fault: OAuthFault }> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';', 1);
  if (type.trim().toLowerCase() !== 'application/x-www-form-urlencoded') return invalidRequest('The body must be application/x-www-form-urlencoded.');
  const body = await readBody(request, response, { maxBytes, deadlineMs, signal: gone });
  // a form is ASCII; what it stands for is UTF-8
  if (body.some((byte) => byte < 0x20 || byte > 0x7e)) return invalidRequest('The body is no form.');
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body.toString('latin1'))) {
    if (form.has(name)) return invalidRequest('A parameter is given twice.');
    if (form.size >= maxParameters) return invalidRequest('There are too many parameters.');
    form.set(name, value);
  }
  for (const [name, value] of form) if (value === '') form.delete(name);
  return { form };
}
