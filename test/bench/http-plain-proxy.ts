import { Agent, createServer } from 'node:http';
import { createProxyMiddleware } from 'http-proxy-middleware';

/**
 * http-proxy-middleware as its README shows it, with kept connections: no TLS, no policy, no record. Arguments: port to listen on, URL of
 * the target, and where event streams come from.
 */
const [port = '', target = '', events = target] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const forward = createProxyMiddleware({ target, agent });
const follow = createProxyMiddleware({ target: events, agent });

createServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, (request, response) => {
  const next = request.url?.startsWith('/events') === true ? follow : forward;
  void next(request, response, () => response.writeHead(404).end());
}).listen(Number(port), '127.0.0.1');
