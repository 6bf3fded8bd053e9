import type { IncomingMessage, ServerResponse } from 'node:http';
import { asAppError } from '../../contract/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { answerError, answerJson } from '../../wire/web/answer.ts';
import { isResourcePath } from './oauth-addresses.ts';
import type { OAuthFault } from './oauth-form.ts';
import { Throttle } from './oauth-throttle.ts';
import { addressOf, answerToken, grantTypes, scope, type OAuthPorts } from './oauth-token.ts';
import type { WebContext, WebRoutes } from './routes.ts';

const protectedResource = '/.well-known/oauth-protected-resource';
const authorizationServer = '/.well-known/oauth-authorization-server';
const tokenPath = '/oauth/token';
const authorizePath = '/oauth/authorize';
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

/**
 * The gateway as the authorization server of its own resources, for machines: RFC 9728 and RFC 8414 metadata and the token endpoint.
 * What it says of a resource does not depend on whether there is one.
 */
export function createOAuthRoutes(ports: OAuthPorts, clock: Clock): WebRoutes {
  const throttle = new Throttle(() => clock.now());
  return async (request, response, context) => {
    const { path, origin } = context;
    if (path === tokenPath) {
      await serveToken(request, response, { context, ports, throttle });
    } else if (path === authorizePath) {
      answerFault(response, { status: 400, error: 'invalid_request', description: 'People do not sign in here. See grant_types_supported.' });
    } else {
      const metadata = metadataAt(path, origin);
      if (metadata === null) return false;
      if (request.method === 'GET' || request.method === 'HEAD') answerJson(response, 200, metadata);
      else answerMethod(response, 'GET, HEAD');
    }
    return true;
  };
}

function metadataAt(path: string, origin: string): Readonly<Record<string, unknown>> | null {
  if (path === authorizationServer) return serverMetadata(origin);
  if (path === protectedResource) return resourceMetadata(origin, origin);
  const resource = path.startsWith(`${protectedResource}/`) ? path.slice(protectedResource.length) : '';
  return isResourcePath(resource) ? resourceMetadata(`${origin}${resource}`, origin) : null;
}

/** RFC 9728 section 2. */
function resourceMetadata(resource: string, origin: string): Readonly<Record<string, unknown>> {
  return { resource, authorization_servers: [origin], bearer_methods_supported: ['header'], scopes_supported: [scope] };
}

/** RFC 8414 section 2. */
function serverMetadata(origin: string): Readonly<Record<string, unknown>> {
  return {
    issuer: origin,
    token_endpoint: `${origin}${tokenPath}`,
    // the clients of the MCP SDK take no metadata without it, though none of our grants begins there
    authorization_endpoint: `${origin}${authorizePath}`,
    response_types_supported: [],
    grant_types_supported: Object.keys(grantTypes),
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    scopes_supported: [scope],
  };
}

async function serveToken(
  request: IncomingMessage,
  response: ServerResponse,
  { context, ports, throttle }: { context: WebContext; ports: OAuthPorts; throttle: Throttle },
): Promise<void> {
  if (request.method !== 'POST') {
    answerMethod(response, 'POST');
    return;
  }
  // before anything is read: what it bounds is the work
  if (!throttle.admits(addressOf(request))) {
    response.setHeader('connection', 'close');
    answerFault(response, { status: 429, error: 'temporarily_unavailable', description: 'Too many requests. Try again later.' });
    return;
  }
  try {
    const answer = await answerToken(request, response, context, ports);
    if ('fault' in answer) answerFault(response, answer.fault);
    else answerJson(response, 200, answer.body, { pragma: 'no-cache' });
  } catch (error) {
    const fault = asAppError(error);
    if (fault.code === 'ERR_STATEMENT_TOO_LARGE' || fault.code === 'ERR_BODY_REFUSED' || fault.code === 'ERR_PROTOCOL_VIOLATION') {
      answerFault(response, { status: 400, error: 'invalid_request', description: fault.message });
    } else answerError(response, fault);
  }
}

/** RFC 6749 section 5.2. */
function answerFault(response: ServerResponse, { status, error, description }: OAuthFault): void {
  const headers: Record<string, string> = { pragma: 'no-cache' };
  if (status === 401) headers['www-authenticate'] = 'Bearer error="invalid_client"';
  if (status === 429 || status === 503) headers['retry-after'] = '5';
  answerJson(response, status, { error, error_description: description }, headers);
}

function answerMethod(response: ServerResponse, allow: string): void {
  answerJson(response, 405, { error: 'invalid_request', error_description: `Use ${allow}.` }, { allow });
}
