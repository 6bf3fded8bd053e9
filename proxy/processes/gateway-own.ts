import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { fail } from '../contract/errors.ts';
import type { WebRoutes } from '../engines/web/routes.ts';
import type { Secret } from '../lib/secret.ts';
import { answerError } from '../wire/web/answer.ts';

export interface OwnServer {
  /** of the control API */
  readonly controlUrl: string;
  /** PEM: control shows the same certificate as this gateway */
  readonly cert: string;
  /** by which control believes what we say of the client's address */
  readonly forwarder: Secret<string>;
}

const path = '/mcp/postern';
const maxSockets = 64;
const deadlineMs = 60_000;
/** all that our own server reads */
const passed = ['authorization', 'content-type', 'content-length', 'transfer-encoding', 'accept', 'mcp-protocol-version', 'mcp-method', 'mcp-name'];

/** Our own MCP server lives in control: its requests are forwarded as they are, with the client's address. */
export function ownServerRoutes({ controlUrl, cert, forwarder }: OwnServer): WebRoutes {
  const known = new X509Certificate(cert);
  const agent = new Agent({
    keepAlive: true,
    maxSockets,
    ca: cert,
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, shown) => (known.raw.equals(shown.raw) ? undefined : fail('ERR_CONTROL_UNAVAILABLE')),
  });
  const forward = createProxyMiddleware({
    target: controlUrl,
    agent,
    changeOrigin: true,
    proxyTimeout: deadlineMs,
    on: {
      proxyReq: (outgoing, request) => {
        for (const name of outgoing.getHeaderNames()) if (name !== 'host' && !passed.includes(name)) outgoing.removeHeader(name);
        outgoing.setHeader('x-postern-forwarder', forwarder.reveal());
        outgoing.setHeader('x-postern-client', (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d)/, ''));
      },
      error: (_error, _request, response) => {
        if ('headersSent' in response && !response.headersSent) answerError(response, fail('ERR_CONTROL_UNAVAILABLE'));
        else response.destroy();
      },
    },
  });
  return async (request, response, context) => {
    if (context.path !== path) return false;
    // the absolute form of a request is understood here, and would not be there
    request.url = `${context.path}${context.search}`;
    await forward(request, response, () => {
      answerError(response, fail('ERR_NOT_FOUND'));
    });
    return true;
  };
}
