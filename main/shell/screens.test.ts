import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Screens } from './screens.ts';

let dir: string;
let screens: Screens;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postern-screens-'));
  await mkdir(join(dir, 'assets', 'deeper'), { recursive: true });
  await writeFile(join(dir, 'index.html'), '<meta content="__CSP_NONCE__"><style nonce="__CSP_NONCE__">');
  await writeFile(join(dir, 'assets', 'index-a1.js'), 'run()');
  await writeFile(join(dir, 'assets', 'secret.key'), 'x');
  await symlink('/etc/passwd', join(dir, 'assets', 'passwd.html'));
  screens = await Screens.load(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

it('gives each page a nonce of its own, in the page and in the header', () => {
  const [first, second] = [screens.answer('GET', 'app://postern/'), screens.answer('GET', 'app://postern/index.html?x#/a')];
  const nonce = /'nonce-([^']+)'/.exec(first.headers['content-security-policy'] ?? '')?.[1] ?? '';
  expect(nonce).toHaveLength(24);
  expect(first.body).toBe(`<meta content="${nonce}"><style nonce="${nonce}">`);
  expect(second.status).toBe(200);
  expect(second.headers['content-security-policy']).not.toContain(nonce);
  expect(first.headers['content-security-policy']).toBe(
    `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; font-src 'self'; img-src 'self' data:; connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(first.headers['cache-control']).toBe('no-store');
});

it('serves the listed assets with their type', () => {
  expect(screens.answer('GET', 'app://postern/assets/index-a1.js')).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/javascript; charset=utf-8', 'x-content-type-options': 'nosniff' },
  });
});

it.each([
  ['GET', 'app://postern/..%2f..%2fetc%2fpasswd', 403],
  ['GET', 'app://postern/assets/../index.html', 403],
  ['GET', 'app://postern//etc/passwd', 403],
  ['GET', 'app://postern/assets/%69ndex-a1.js', 403],
  ['GET', 'app://postern/assets\\index-a1.js', 403],
  ['GET', 'app://evil/', 403],
  ['GET', 'app://postern.evil/', 403],
  ['GET', 'app://postern@evil/', 403],
  ['GET', 'https://postern/', 403],
  ['POST', 'app://postern/', 403],
  ['GET', 'app://postern/assets/secret.key', 404],
  ['GET', 'app://postern/assets/passwd.html', 404],
  ['GET', 'app://postern/assets/deeper', 404],
  ['GET', 'app://postern/__proto__', 404],
])('%s %s is %i', (method, url, status) => {
  expect(screens.answer(method, url).status).toBe(status);
});

it('says what to do when nothing is built', async () => {
  await expect(Screens.load(join(dir, 'assets'))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND', message: 'The screens of the app are not built.' });
});
