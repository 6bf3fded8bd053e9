import { connect, createServer } from 'node:net';

/** The bare Node pipe: what any gateway written for Node pays at least. Arguments: port to listen on, host and port of the target. */
const [listenPort = '', host = '', port = ''] = process.argv.slice(2);

createServer({ noDelay: true }, (client) => {
  const target = connect({ host, port: Number(port), noDelay: true });
  client.pipe(target);
  target.pipe(client);
  for (const [socket, other] of [
    [client, target],
    [target, client],
  ] as const) {
    socket.on('error', () => other.destroy());
    socket.on('close', () => other.destroy());
  }
}).listen(Number(listenPort), '127.0.0.1', () => {
  process.stdout.write('ready\n');
});
