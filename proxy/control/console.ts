import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Express, Request, Response } from 'express';
import { fail } from '../contract/errors.ts';

/** The built screens, read once: what is not in here is not served, whatever an address says. */
export interface Console {
  readonly index: string;
  /** by file name */
  readonly assets: ReadonlyMap<string, Asset>;
}

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
}

const maxFiles = 1_000;
const maxBytes = 64 * 1_048_576;
const noncePlace = '__CSP_NONCE__';
const nonceBytes = 18;
const fileName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$/;

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Reads `index.html` and the plain files of `assets/`. Null: there is no build. Throws ERR_INTERNAL when it is no build of ours. */
export async function readConsole(directory: string): Promise<Console | null> {
  const index = await readFile(join(directory, 'index.html'), 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  if (index === null) return null;
  const assets = new Map<string, Asset>();
  let size = 0;
  for (const entry of await readdir(join(directory, 'assets'), { withFileTypes: true })) {
    const type = types[extname(entry.name)];
    if (type === undefined || !entry.isFile() || !fileName.test(entry.name)) continue;
    const bytes = await readFile(join(directory, 'assets', entry.name));
    size += bytes.length;
    if (assets.size >= maxFiles || size > maxBytes) throw fail('ERR_INTERNAL', { message: `${directory} is no console of Postern: it is too large.` });
    assets.set(entry.name, { type, bytes });
  }
  return { index, assets };
}

/** Adds the console's addresses. They are compared as they came, undecoded: no escape makes another one of them. */
export function serveConsole(app: Express, console: Console | null): void {
  app.use((request, response, next) => {
    if (request.method !== 'GET') next();
    else if (request.path === '/' || request.path === '/index.html') answerIndex(response, console);
    else if (request.path.startsWith('/assets/')) answerAsset(request, response, console);
    else next();
  });
}

function answerIndex(response: Response, console: Console | null): void {
  if (console === null) {
    response.status(503).type('text/plain').send('The console is not built.\n');
    return;
  }
  const nonce = randomBytes(nonceBytes).toString('base64');
  response
    .set({ 'content-security-policy': policyWith(nonce), 'cross-origin-opener-policy': 'same-origin', 'content-type': 'text/html; charset=utf-8' })
    .send(console.index.replaceAll(noncePlace, nonce));
}

function answerAsset({ path }: Request, response: Response, console: Console | null): void {
  const asset = console?.assets.get(path.slice('/assets/'.length));
  if (asset === undefined) throw fail('ERR_NOT_FOUND');
  // the names carry a hash of what is in them
  response.set({ 'cache-control': 'public, max-age=31536000, immutable', 'content-type': asset.type }).send(asset.bytes);
}

function policyWith(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "font-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
