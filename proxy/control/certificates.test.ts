import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureServerTls, serverNames } from './certificates.ts';

const names = serverNames('Gateway-1');
const day = 86_400_000;
const start = Date.UTC(2026, 0, 1);
const at = (days: number) => ({ now: () => start + days * day });
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tls-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('makes a CA and a server certificate that a client accepts by name and address, keys 0600', async () => {
  const tls = await ensureServerTls(directory, names);
  for (const key of ['ca.key', 'server.key']) expect((await stat(join(directory, key))).mode & 0o777).toBe(0o600);
  const server = createServer({ key: tls.key, cert: tls.cert }, (_, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as AddressInfo).port;
  const status = (servername: string) =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, ca: tls.ca, ...(servername !== '' && { servername }) }, (response) => resolve(response.resume().statusCode))
        .once('error', reject)
        .end();
    });
  expect(await Promise.all([status(''), status('localhost'), status('gateway-1')])).toEqual([200, 200, 200]);
  await expect(status('other')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  server.close();
});

test('keeps both across starts, renews the server certificate 30 days before its end, never the CA meanwhile', async () => {
  const first = await ensureServerTls(directory, names, at(0));
  expect(await ensureServerTls(directory, names, at(366))).toEqual(first);
  const renewed = await ensureServerTls(directory, names, at(368));
  expect(renewed.ca).toBe(first.ca);
  expect(renewed.cert).not.toBe(first.cert);
  expect(new X509Certificate(renewed.cert).validToDate.getTime()).toBe(start + (368 + 397) * day);
  expect(new X509Certificate(renewed.ca).validToDate.getTime()).toBe(start + 3_650 * day);
});

test('makes the server certificate anew for a new name, after damage, and when it is of another CA', async () => {
  const first = await ensureServerTls(directory, names, at(0));
  const renamed = await ensureServerTls(directory, serverNames('other'), at(0));
  expect(renamed.cert).not.toBe(first.cert);
  await writeFile(join(directory, 'server.crt'), 'damaged');
  expect((await ensureServerTls(directory, names, at(0))).cert).not.toBe(renamed.cert);
  await rm(join(directory, 'ca.key'));
  const other = await ensureServerTls(directory, names, at(0));
  expect(other.ca).not.toBe(first.ca);
  expect(new X509Certificate(other.cert).verify(new X509Certificate(other.ca).publicKey)).toBe(true);
});
