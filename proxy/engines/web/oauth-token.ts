import type { IncomingMessage, ServerResponse } from 'node:http';
import { asAppError } from '../../contract/errors.ts';
import type { Run } from '../../contract/run.ts';
import { AppError } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';
import { resourceAt } from './oauth-addresses.ts';
import { invalidRequest, readForm, type OAuthFault } from './oauth-form.ts';
import type { WebContext } from './routes.ts';

/** A workload that proved who it is; of the identity feature, as far as the endpoint needs it. */
export interface Shown {
  readonly trusted: {
    readonly rule: { readonly id: string; readonly name: string; readonly resources: readonly string[]; readonly tokenSeconds: number };
    readonly run: Run;
    readonly credential: string;
  };
  readonly account: { readonly id: string; readonly name: string };
}

export interface Exchange {
  readonly trustRule: string;
  readonly run: Run;
  readonly credential: string;
  /** the one resource the token is to be good for; null: those of the rule */
  readonly resource: string | null;
  readonly seconds: number;
  /** the client's address */
  readonly origin: string;
}

/** What the endpoint stands on; given by the composition root. */
export interface OAuthPorts {
  /** Never rejects. `refused`: why, for the log alone. */
  assertion(token: string, origin: string, wanted: { audience: readonly string[]; named?: string }): Promise<Shown | { readonly refused: string }>;
  /**
   * Has control mint a token of ours. Throws ERR_CONFLICT when the assertion was used before, ERR_TOO_MANY_CONNECTIONS when the rule
   * has too many tokens, ERR_NOT_FOUND when rule or resource are gone, ERR_CONTROL_UNAVAILABLE.
   */
  exchange(wanted: Exchange): Promise<{ readonly token: Secret<string>; readonly expiresIn: number }>;
  /** `authentication.succeeded` and `authentication.failed`; resolves when it is durable. Throws ERR_AUDIT_UNAVAILABLE. */
  record(event: { readonly origin: string; readonly shown: Shown | null; readonly failure: string | null }): Promise<void>;
}

interface Presented {
  readonly assertion: string;
  /** how the answer says that it is not good */
  readonly invalid: OAuthFault;
  readonly extra: Readonly<Record<string, string>>;
}

type Form = ReadonlyMap<string, string>;
export type TokenAnswer = { readonly body: Readonly<Record<string, string | number>> } | { readonly fault: OAuthFault };

/** The one scope there is: what may be done is decided by the policies. */
export const scope = 'access';
export const grantTypes = {
  'urn:ietf:params:oauth:grant-type:jwt-bearer': jwtBearer,
  client_credentials: clientCredentials,
  'urn:ietf:params:oauth:grant-type:token-exchange': tokenExchange,
} as const;
const tokenTypes = { jwt: 'urn:ietf:params:oauth:token-type:jwt', id: 'urn:ietf:params:oauth:token-type:id_token' };
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';

const invalidGrant: OAuthFault = { status: 400, error: 'invalid_grant', description: 'The assertion is not accepted.' };
const invalidClient: OAuthFault = { status: 401, error: 'invalid_client', description: 'The client is not accepted.' };
const invalidTarget: OAuthFault = { status: 400, error: 'invalid_target', description: 'There is no such resource here, or it is out of reach.' };
const busy: OAuthFault = { status: 429, error: 'temporarily_unavailable', description: 'Too many tokens were asked for. Try again later.' };
const unavailable: OAuthFault = { status: 503, error: 'temporarily_unavailable', description: 'No token can be made at the moment. Try again later.' };

/** `POST /oauth/token`: a token of ours for what a workload's own platform says of it. Throws what `readBody` throws. */
export async function answerToken(request: IncomingMessage, response: ServerResponse, context: WebContext, ports: OAuthPorts): Promise<TokenAnswer> {
  const read = await readForm(request, response, context.gone);
  if ('fault' in read) return read;
  const { form } = read;
  if (request.headers.authorization !== undefined || form.has('client_secret')) return { fault: invalidClient };
  const type = form.get('grant_type');
  if (type === undefined) return invalidRequest('grant_type is missing.');
  if (!isGrantType(type)) return { fault: { status: 400, error: 'unsupported_grant_type', description: 'See grant_types_supported.' } };
  const presented = grantTypes[type](form);
  if ('fault' in presented) return presented;
  const wanted = wantedOf(form, context);
  if ('fault' in wanted) return wanted;
  const origin = addressOf(request);
  return exchanged({ presented, named: form.get('client_id'), resource: wanted.resource, origin }, context.origin, ports);
}

interface Asking {
  readonly presented: Presented;
  readonly named: string | undefined;
  readonly resource: { readonly name: string; readonly uri: string } | null;
  readonly origin: string;
}

async function exchanged({ presented, named, resource, origin }: Asking, here: string, ports: OAuthPorts): Promise<TokenAnswer> {
  // one made out to a resource gets nothing but that resource
  const audience = resource === null ? addressesOf(here) : [...addressesOf(here), resource.uri];
  const shown = await ports.assertion(presented.assertion, origin, { audience, ...(named !== undefined && { named }) });
  if ('refused' in shown) {
    await ports.record({ origin, shown: null, failure: shown.refused });
    return { fault: presented.invalid };
  }
  const { rule, run, credential } = shown.trusted;
  if (resource !== null && rule.resources.length > 0 && !rule.resources.includes(resource.name)) {
    await ports.record({ origin, shown, failure: 'the trust rule is not for this resource' });
    return { fault: invalidTarget };
  }
  const wanted = { trustRule: rule.id, run, credential, resource: resource?.name ?? null, seconds: rule.tokenSeconds, origin };
  const minted = await ports.exchange(wanted).catch((error: unknown) => asAppError(error));
  if (minted instanceof AppError) {
    await ports.record({ origin, shown, failure: minted.message });
    return { fault: faultOf(minted, presented) };
  }
  await ports.record({ origin, shown, failure: null });
  return { body: { access_token: minted.token.reveal(), token_type: 'Bearer', expires_in: minted.expiresIn, scope, ...presented.extra } };
}

function faultOf({ code }: AppError, { invalid }: Presented): OAuthFault {
  if (code === 'ERR_CONFLICT') return invalid;
  if (code === 'ERR_NOT_FOUND') return invalidTarget;
  return code === 'ERR_TOO_MANY_CONNECTIONS' ? busy : unavailable;
}

/** Addresses an assertion for the token endpoint may be made out to, RFC 7523 section 3. */
function addressesOf(here: string): string[] {
  return [`${here}/oauth/token`, here, `${here}/`];
}

function wantedOf(form: Form, { origin, gate }: WebContext): { resource: { name: string; uri: string } | null } | { fault: OAuthFault } {
  const scopes = form.get('scope');
  if (scopes !== undefined && !/^[\x21\x23-\x5b\x5d-\x7e ]{1,1000}$/.test(scopes)) {
    return { fault: { status: 400, error: 'invalid_scope', description: 'The scope is not well-formed.' } };
  }
  // RFC 8693 knows targets by name, too; ours have addresses
  if (form.has('audience')) return { fault: invalidTarget };
  const indicator = form.get('resource');
  if (indicator === undefined) return { resource: null };
  const resource = resourceAt(indicator, origin, (name) => gate.resource(name));
  return resource === null ? { fault: invalidTarget } : { resource };
}

function isGrantType(type: string): type is keyof typeof grantTypes {
  return Object.hasOwn(grantTypes, type);
}

/** RFC 7523 section 2.1; SEP-1933: the platform's own token, no secret, no registration. */
function jwtBearer(form: Form): Presented | { fault: OAuthFault } {
  const assertion = form.get('assertion');
  if (assertion === undefined) return invalidRequest('assertion is missing.');
  // two identities in one request: neither
  if (form.has('client_assertion')) return invalidRequest('assertion and client_assertion exclude each other.');
  return { assertion, invalid: invalidGrant, extra: {} };
}

/** RFC 6749 section 4.4 with RFC 7523 section 2.2: `private_key_jwt`, by the client's own key or by its platform. */
function clientCredentials(form: Form): Presented | { fault: OAuthFault } {
  const assertion = form.get('client_assertion');
  if (assertion === undefined || form.get('client_assertion_type') !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    return { fault: invalidClient };
  return { assertion, invalid: invalidClient, extra: {} };
}

/** RFC 8693: for oneself, never on behalf of another. */
function tokenExchange(form: Form): Presented | { fault: OAuthFault } {
  const assertion = form.get('subject_token');
  const type = form.get('subject_token_type');
  if (assertion === undefined || (type !== tokenTypes.jwt && type !== tokenTypes.id))
    return invalidRequest('A subject_token of type jwt or id_token is needed.');
  if (form.has('actor_token') || form.has('client_assertion')) return invalidRequest('Only the subject itself is known here.');
  if ((form.get('requested_token_type') ?? accessToken) !== accessToken) return invalidRequest('Only access tokens are made here.');
  return { assertion, invalid: invalidGrant, extra: { issued_token_type: accessToken } };
}

/** The socket's own address: no header may say another. */
export function addressOf({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d)/, '');
}
