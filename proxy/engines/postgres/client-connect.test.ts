import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Secret } from '../../lib/secret.ts';
import { brieflyConnected } from './client-catalogue.ts';
import { connectTarget, type Target } from './client-connect.ts';
import { authenticationRequest, cstring, frame, parameterStatus, readyForQuery, report } from './messages.ts';
import { ScramKeys } from './scram.ts';

const servers: Server[] = [];
const targets: Target[] = [];

afterEach(() => {
  for (const target of targets.splice(0)) target.connection.socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A target that answers the n-th message with the n-th text, whatever it is. */
async function hostile(...answers: readonly (Buffer | 'close')[]): Promise<number> {
  const server = createServer((socket: Socket) => {
    let next = 0;
    socket.on('error', () => undefined);
    socket.on('data', () => {
      const answer = answers[next++];
      if (answer === 'close') socket.destroy();
      else if (answer !== undefined) socket.write(answer);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port; // a TCP server's address
}

async function connect(port: number, tls: 'disable' | 'verify-full' = 'disable', host = '127.0.0.1'): Promise<Target> {
  const target = await connectTarget({
    resource: { host, port, tls: { mode: tls } },
    database: 'bank',
    credential: { account: 'vaulted', password: new Secret('hidden'), version: 1 },
    parameters: new Map(),
    scramKeys: new ScramKeys(),
    maxMessageBytes: 1_000_000,
    deadlineMs: 400,
  });
  targets.push(target);
  return target;
}

const sasl = authenticationRequest(10, Buffer.from('SCRAM-SHA-256\0\0'));
const ok = authenticationRequest(0);

describe('a hostile target', () => {
  it.each<[string, (Buffer | 'close')[]]>([
    ['closes', ['close']],
    ['says nothing', []],
    ['says AuthenticationOk in mid-exchange', [sasl, Buffer.concat([ok, readyForQuery(0x49)])]],
    ['skips its own proof', [sasl, authenticationRequest(11, Buffer.from('r=x,s=AAAA,i=4096')), ok]],
    ['sends a nonce of 60 KB', [sasl, authenticationRequest(11, Buffer.from(`r=${'x'.repeat(60_000)},s=AAAA,i=4096`))]],
    ['claims a gigabyte', [Buffer.from([0x52, 0x40, 0, 0, 0, 1])]],
    ['claims a negative length', [Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff, 0])]],
    ['sends an empty authentication request', [frame(0x52)]],
    ['asks for Kerberos', [authenticationRequest(7)]],
    ['asks for SSPI', [authenticationRequest(9)]],
    ['offers only SCRAM-SHA-256-PLUS', [authenticationRequest(10, Buffer.from('SCRAM-SHA-256-PLUS\0\0'))]],
    ['offers mechanisms without an end', [authenticationRequest(10, Buffer.from('SCRAM-SHA-256'))]],
    ['sends an error without SQLSTATE', [frame(0x45, cstring('Mno'), Buffer.from([0]))]],
    ['sends an error without an end', [frame(0x45, Buffer.from('Mno'))]],
    ['sends an md5 salt of 3 bytes', [authenticationRequest(5, Buffer.from('abc'))]],
    ['begins inside a transaction', [Buffer.concat([ok, readyForQuery(0x54)])]],
    ['sends rows before it is ready', [Buffer.concat([ok, frame(0x44, Buffer.from([0, 0]))])]],
    ['never becomes ready', [Buffer.concat([ok, ...Array.from({ length: 600 }, () => parameterStatus('x', 'y'))])]],
  ])('that %s is given up', async (_name, answers) => {
    await expect(connect(await hostile(...answers))).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });

  it('keeps its words to the operator', async () => {
    const port = await hostile(report({ severity: 'FATAL', sqlstate: '28P01', message: 'password "hidden" is wrong' }));
    await expect(connect(port)).rejects.toMatchObject({
      message: 'The target could not be reached or refused the credential.',
      detail: 'the target refused: 28P01 password "hidden" is wrong',
    });
  });

  it('may say that the database does not exist', async () => {
    const port = await hostile(report({ severity: 'FATAL', sqlstate: '3D000', message: 'database "x" does not exist' }));
    await expect(connect(port)).rejects.toMatchObject({ message: 'The database does not exist at the target.' });
  });

  it.each<[string, Buffer]>([
    ['refuses TLS', Buffer.from('N')],
    ['sends plaintext behind its answer', Buffer.from('SE')],
    ['answers with an error', report({ severity: 'FATAL', sqlstate: '0A000', message: 'no' })],
  ])('that must speak TLS and %s is given up', async (_name, answer) => {
    await expect(connect(await hostile(answer), 'verify-full')).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });

  it('gets no password in clear where others can listen', async () => {
    const port = await hostile(authenticationRequest(3), Buffer.concat([ok, readyForQuery(0x49)]));
    // loopback: nobody else
    expect((await connect(port)).parameters.size).toBe(0);
    await expect(connect(port, 'disable', '0.0.0.0')).rejects.toMatchObject({ detail: 'the target asks for the password in clear without TLS' });
  });
});

describe('a catalogue query', () => {
  it('fails with the target, not with the process', async () => {
    const port = await hostile(Buffer.concat([ok, readyForQuery(0x49)]), 'close');
    const options = {
      resource: { host: '127.0.0.1', port, tls: { mode: 'disable' as const } },
      database: 'bank',
      scramKeys: new ScramKeys(),
      maxMessageBytes: 1000,
      deadlineMs: 400,
    };
    const asked = brieflyConnected(options, { account: 'a', password: new Secret('b'), version: 1 }, async (target) => {
      target.connection.socket.write(frame(0x51, cstring('select 1')));
      return target.connection.reader.bytes(1);
    });
    await expect(asked).rejects.toThrow();
  });
});
