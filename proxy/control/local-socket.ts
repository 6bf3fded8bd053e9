import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { Express } from 'express';

const deadlineMs = 5_000;
const maxConnections = 32;

/**
 * Plain HTTP on a socket file that only the service's own user may open (0600, in a directory of its own): whether the service is
 * up, and nothing else. Whoever asks checks the owner of the file first.
 */
export async function listenLocally(app: Express, path: string): Promise<Server> {
  const server = createServer({ headersTimeout: deadlineMs, requestTimeout: deadlineMs, keepAliveTimeout: 1, maxHeaderSize: 4_096 }, (request, response) => {
    if (request.method === 'GET' && request.url === '/v1/health') {
      app(request, response);
      return;
    }
    response.writeHead(404, { connection: 'close' }).end();
  });
  server.maxConnections = maxConnections;
  // of a process that was killed
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(path, 0o600);
  return server;
}
