import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fail } from '../../proxy/contract/errors.ts';

/** The scheme of the screens: no file has an address, and nothing else has this origin. */
export const appScheme = 'app';
export const appHost = 'postern';
export const appOrigin = `${appScheme}://${appHost}`;

export interface ScreenAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | string;
}

interface Screen {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json; charset=utf-8',
};
const maxFiles = 2_000;

/** The built screens, listed once: only what was there at the start has an address, so there is no path to walk. */
export class Screens {
  readonly #index: string;
  readonly #assets: ReadonlyMap<string, Screen>;

  private constructor(index: string, assets: ReadonlyMap<string, Screen>) {
    this.#index = index;
    this.#assets = assets;
  }

  /** Throws ERR_NOT_FOUND when `directory` holds no built screens. */
  static async load(directory: string): Promise<Screens> {
    const assets = new Map<string, Screen>();
    let index: string;
    try {
      index = await readFile(join(directory, 'index.html'), 'utf8');
      for (const entry of (await readdir(join(directory, 'assets'), { withFileTypes: true })).slice(0, maxFiles)) {
        const type = types[extname(entry.name)];
        if (!entry.isFile() || type === undefined) continue;
        assets.set(`/assets/${entry.name}`, { type, body: new Uint8Array(await readFile(join(directory, 'assets', entry.name))) });
      }
    } catch (error) {
      throw fail('ERR_NOT_FOUND', {
        message: 'The screens of the app are not built.',
        hint: 'From source: npm run app. Installed: install the package again.',
        cause: error,
      });
    }
    return new Screens(index, assets);
  }

  /** Answers `GET app://postern/…`. Everything that is not listed is 404, other methods and origins 403. */
  answer(method: string, url: string): ScreenAnswer {
    const path = pathOf(url);
    if (path === null || (method !== 'GET' && method !== 'HEAD')) return plain(403, 'Refused.');
    if (path === '/' || path === '/index.html') return this.#page();
    const asset = this.#assets.get(path);
    if (asset === undefined) return plain(404, 'There is no such file.');
    return { status: 200, headers: { ...protective, 'content-type': asset.type, 'cache-control': 'public, max-age=31536000, immutable' }, body: asset.body };
  }

  #page(): ScreenAnswer {
    const nonce = randomBytes(18).toString('base64');
    return {
      status: 200,
      headers: { ...protective, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy(nonce), 'cache-control': 'no-store' },
      body: this.#index.replaceAll('__CSP_NONCE__', nonce),
    };
  }
}

/** Null: another origin, or an address that says more than a path. Paths are compared as they came, never decoded. */
function pathOf(url: string): string | null {
  const start = `${appOrigin}/`;
  if (!url.startsWith(start)) return null;
  const path = url.slice(appOrigin.length).replace(/[?#].*$/s, '');
  return /%|\\|\/\/|\/\.\.?(?:\/|$)/.test(path) ? null : path;
}

const protective = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), usb=(), serial=(), hid=(), payment=()',
};

// the screens talk to the shell only: no connection to anywhere, not even to their own origin
function policy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "font-src 'self'",
    "img-src 'self' data:",
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function plain(status: number, text: string): ScreenAnswer {
  return { status, headers: { ...protective, 'content-type': 'text/plain; charset=utf-8', 'content-security-policy': "default-src 'none'" }, body: text };
}
