import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { fail } from '../../proxy/contract/errors.ts';

const timeoutMs = 15_000;
const maxChain = 10;

/**
 * PEM of the CA whose SHA-256 (DER, hex) is `pin`, out of the chain that the service at `url` shows. Nothing is sent on this
 * connection, and nothing of it is trusted but the CA that fits the pin.
 * Throws ERR_VERIFICATION_FAILED when the chain does not hold it, ERR_CONTROL_UNAVAILABLE, ERR_TIMEOUT.
 */
export async function pinnedAuthority(url: string, pin: string): Promise<string> {
  const chain = await chainOf(new URL(url));
  const found = chain.find((der) => createHash('sha256').update(der).digest('hex') === pin);
  const authority = found && new X509Certificate(found);
  if (authority?.ca === true) return authority.toString();
  throw fail('ERR_VERIFICATION_FAILED', {
    message: `${url} is not the service that this code is for: its certificate comes from another CA.`,
    hint: 'Somebody may stand in between. Ask the administrator before you try again.',
  });
}

function chainOf({ hostname, port }: URL): Promise<Buffer[]> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise<Buffer[]>((resolve, reject) => {
    // the chain is looked at, not trusted
    const socket = connect({
      host,
      port: Number(port || 443),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 && { servername: host }),
    });
    const timer = setTimeout(() => {
      end(() => reject(fail('ERR_TIMEOUT', { message: `${host} does not answer.` })));
    }, timeoutMs);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
      socket.destroy();
    };
    socket.once('secureConnect', () => end(() => resolve(certificatesOf(socket))));
    socket.on('error', (error: Error) => {
      const message = `Nothing answers at ${host}:${port || '443'}: ${error.message}`;
      end(() => reject(fail('ERR_CONTROL_UNAVAILABLE', { message, hint: 'Check that this machine may reach it.' })));
    });
    socket.once('close', () => reject(fail('ERR_CONTROL_UNAVAILABLE')));
  });
}

function certificatesOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = [];
  // a root is its own issuer; without a certificate the object is empty
  let certificate: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < maxChain && !chain.includes(certificate.raw)) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
