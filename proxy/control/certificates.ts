import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { systemClock, type Clock } from '../lib/clock.ts';
import { replaceFile, nodeFiles } from '../store/files.ts';

/** PEM texts of the installation's server certificate; `key` is private. */
export interface ServerTls {
  readonly key: string;
  /** the certificate and its CA */
  readonly cert: string;
  readonly ca: string;
}

const dayMs = 86_400_000;
const caDays = 3_650;
// the longest life that browsers accept
const serverDays = 397;
const renewBeforeDays = 30;
// clients with a slow clock
const backdateMs = 3_600_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

interface Issued {
  readonly key: string;
  readonly cert: string;
}

/**
 * Reads the installation's CA and server certificate from `directory` (keys 0600), making what is absent. A server
 * certificate that ends within 30 days, or lacks one of `names`, is made anew.
 */
export async function ensureServerTls(directory: string, names: readonly string[], clock: Clock = systemClock): Promise<ServerTls> {
  x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
  await nodeFiles.makeDirectory(directory);
  const ca = (await readPair(directory, 'ca', clock.now())) ?? (await store(directory, 'ca', await issueCa(clock)));
  const stored = await readPair(directory, 'server', clock.now() + renewBeforeDays * dayMs);
  const usable = stored !== null && isIssuedBy(stored, ca) && names.every((name) => covers(stored, name));
  const server = usable ? stored : await store(directory, 'server', await issueServer(ca, names, clock));
  return { key: server.key, cert: `${server.cert.trimEnd()}\n${ca.cert}`, ca: ca.cert };
}

/** `localhost`, the loopback addresses and this machine's name. */
export function serverNames(hostname: string): string[] {
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname.toLowerCase()])].filter((name) => /^[a-z0-9:._-]+$/.test(name));
}

async function issueCa(clock: Clock): Promise<Issued> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [`Postern CA ${randomBytes(4).toString('hex')}`] }],
    notBefore: new Date(clock.now() - backdateMs),
    notAfter: new Date(clock.now() + caDays * dayMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await exportKey(keys.privateKey), cert: pem(cert) };
}

async function issueServer(ca: Issued, names: readonly string[], clock: Clock): Promise<Issued> {
  const issuer = new x509.X509Certificate(ca.cert);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', createPrivateKey(ca.key).export({ format: 'der', type: 'pkcs8' }), algorithm, false, ['sign']);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: ['Postern'] }],
    issuer: issuer.subject,
    notBefore: new Date(clock.now() - backdateMs),
    notAfter: new Date(Math.min(clock.now() + serverDays * dayMs, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    signingKey,
    publicKey: keys.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((name) => ({ type: isAddress(name) ? ('ip' as const) : ('dns' as const), value: name }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { key: await exportKey(keys.privateKey), cert: pem(cert) };
}

async function store(directory: string, name: string, issued: Issued): Promise<Issued> {
  // the key first: a certificate without its key is never left behind as the newer of the two
  await replaceFile(join(directory, `${name}.key`), Buffer.from(issued.key));
  await replaceFile(join(directory, `${name}.crt`), Buffer.from(issued.cert), nodeFiles, 0o644);
  return issued;
}

/** Null when absent, when the two do not belong together, or when it ends before `until`. */
async function readPair(directory: string, name: string, until: number): Promise<Issued | null> {
  try {
    const [key, cert] = await Promise.all([readFile(join(directory, `${name}.key`), 'utf8'), readFile(join(directory, `${name}.crt`), 'utf8')]);
    const parsed = new X509Certificate(cert);
    return parsed.checkPrivateKey(createPrivateKey(key)) && parsed.validToDate.getTime() > until ? { key, cert } : null;
  } catch {
    return null;
  }
}

function isIssuedBy(server: Issued, ca: Issued): boolean {
  const authority = new X509Certificate(ca.cert);
  const cert = new X509Certificate(server.cert);
  return cert.checkIssued(authority) && cert.verify(authority.publicKey);
}

function covers(server: Issued, name: string): boolean {
  const cert = new X509Certificate(server.cert);
  return (isAddress(name) ? cert.checkIP(name) : cert.checkHost(name)) !== undefined;
}

function isAddress(name: string): boolean {
  return name.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(name);
}

function serial(): string {
  // positive and never zero: RFC 5280 section 4.1.2.2
  return `01${randomBytes(15).toString('hex')}`;
}

function pem(cert: x509.X509Certificate): string {
  return `${cert.toString('pem').trimEnd()}\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString();
}
