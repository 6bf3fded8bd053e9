import { isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { AppError } from '../lib/errors.ts';

export interface TlsMaterial {
  readonly key: string;
  readonly cert: string;
}

const contexts = new WeakMap<TlsMaterial, SecureContext>();

function contextOf(material: TlsMaterial): SecureContext {
  let context = contexts.get(material);
  if (context === undefined) {
    context = createSecureContext({ key: material.key, cert: material.cert, minVersion: 'TLSv1.2' });
    contexts.set(material, context);
  }
  return context;
}

/**
 * Our side of a TLS connection that starts on `socket`. `first`: bytes of the handshake read already. The caller has
 * made sure that no plaintext waits (CVE-2021-3935). Rejects when the handshake fails or the socket closes.
 */
export function acceptTls(socket: Socket, material: TlsMaterial, alpn: readonly string[], first: Buffer | null = null): Promise<TLSSocket> {
  if (first !== null) socket.unshift(first);
  const secure = new TLSSocket(socket, { isServer: true, secureContext: contextOf(material), ALPNProtocols: [...alpn] });
  return new Promise((resolve, reject) => {
    secure.once('secure', () => {
      resolve(secure);
    });
    secure.once('error', reject);
    secure.once('close', () => {
      reject(new AppError('ERR_PROTOCOL_VIOLATION', 'The TLS handshake was not finished.'));
    });
  });
}

/** TLS towards a target: chain and name are always checked (verify-full). */
export function startTls(socket: Socket, target: { host: string; serverName: string | undefined; ca: string | undefined; alpn: string }): Promise<TLSSocket> {
  const name = target.serverName ?? target.host;
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      minVersion: 'TLSv1.2',
      ALPNProtocols: [target.alpn],
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(target.ca === undefined ? {} : { ca: target.ca }),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
    });
    secure.once('secureConnect', () => {
      resolve(secure);
    });
    secure.once('error', reject);
    secure.once('close', () => {
      reject(new AppError('ERR_TARGET_UNREACHABLE', 'The TLS handshake with the target was not finished.'));
    });
  });
}
