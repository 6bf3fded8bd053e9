import { createServer } from 'node:http';

/** A stream of events, each with the moment it was sent. Argument: the port. */
const everyMs = 10;

createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  const timer = setInterval(() => response.write(`data: {"sent":${performance.timeOrigin + performance.now()}}\n\n`), everyMs);
  response.on('close', () => clearInterval(timer));
  request.resume();
}).listen(Number(process.argv[2]), '127.0.0.1');
