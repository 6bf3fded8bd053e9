import type { IncomingMessage, ServerResponse } from 'node:http';
import { fail } from '../../contract/errors.ts';
import type { Caller } from '../../contract/principal.ts';
import type { Protocol } from '../../contract/resource.ts';
import type { Gate } from '../../pipeline/engine.ts';
import { answerError } from '../../wire/web/answer.ts';

const maxTokenChars = 12_288;

interface Presented {
  readonly token: string;
  /** of Basic: must be the principal the token belongs to; null: none was given */
  readonly user: string | null;
}

/** RFC 6750; to HTTP resources the token may also come as a password (RFC 7617). Null: nothing usable was presented. */
export function presented({ headers }: IncomingMessage, protocol: Protocol): Presented | null {
  const { authorization } = headers;
  if (authorization === undefined || authorization.length > maxTokenChars) return null;
  const bearer = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(authorization)?.[1];
  if (bearer !== undefined) return { token: bearer, user: null };
  const basic = protocol === 'http' ? /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(authorization)?.[1] : undefined;
  if (basic === undefined) return null;
  const decoded = Buffer.from(basic, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? null : { token: decoded.slice(colon + 1), user: decoded.slice(0, colon) };
}

export async function identify(gate: Gate, { token, user }: Presented, audience: readonly string[]): Promise<Caller | null> {
  if (token === '') return null;
  const caller = await gate.identify.bearer(token, audience);
  if (caller === null || user === null || user === '' || user === caller.name) return caller;
  await gate.turnedAway('ERR_AUTHENTICATION_FAILED', 'a token under the name of somebody else', caller);
  return null;
}

/** 401 with where to learn more: RFC 9728 section 5.1. */
export function challenge(response: ServerResponse, given: { metadata: string; invalid: boolean; protocol: Protocol }): void {
  const { metadata, invalid, protocol } = given;
  const bearer = `Bearer ${invalid ? 'error="invalid_token", ' : ''}resource_metadata="${metadata}"`;
  const message = invalid ? 'The token is not valid here.' : 'A token is needed.';
  answerError(response, fail('ERR_UNAUTHENTICATED', { message }), {
    headers: { 'www-authenticate': protocol === 'http' ? `${bearer}, Basic realm="postern", charset="UTF-8"` : bearer },
  });
}
