import { createServer, request as plain, type IncomingMessage, type ServerResponse } from 'node:http';
import { request as secure } from 'node:https';
import { isIP, type AddressInfo } from 'node:net';

export interface ForwarderOptions {
  /** where requests go; the forwarder's own address has the same path */
  readonly target: string;
  /** added to each request as `Authorization: Bearer` */
  readonly token?: string;
  /** PEM, for a target with TLS */
  readonly ca?: string;
}

export interface Forwarder {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A plain HTTP address on this machine for clients that can neither send a token nor trust a certificate of ours. It
 * streams both ways as bytes come, and ends the target's side when the client ends its own. Its own name in `Host` and
 * `Origin` becomes the target's; any other passes as it is, so that a forged one reaches the target.
 */
export async function forwarder({ target, token, ca }: ForwarderOptions): Promise<Forwarder> {
  const to = new URL(target);
  const send = to.protocol === 'https:' ? secure : plain;

  const forward = (request: IncomingMessage, response: ServerResponse): void => {
    const headers = { ...request.headers };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (headers.host === own()) headers.host = to.host;
    if (headers.origin === `http://${own()}`) headers.origin = to.origin;
    // the name to check is the target's, whatever Host says
    const servername = isIP(to.hostname) === 0 ? to.hostname : '';
    const upstream = send({
      hostname: to.hostname,
      port: to.port,
      method: request.method,
      path: request.url,
      headers,
      ca,
      servername,
      setDefaultHeaders: false,
    });
    upstream.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      response.flushHeaders();
      answer.on('error', () => response.destroy());
      answer.pipe(response);
    });
    upstream.on('error', () => response.destroy());
    // also when it has ended well: by then there is nothing left to end
    response.on('close', () => upstream.destroy());
    request.on('error', () => upstream.destroy());
    request.pipe(upstream);
  };

  const server = createServer({ requestTimeout: 0 }, forward);
  const own = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://${own()}${to.pathname}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
