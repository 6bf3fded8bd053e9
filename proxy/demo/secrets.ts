import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { replaceFile } from '../store/files.ts';

const Stored = z.strictObject({ superuser: z.string(), app: z.string(), orders: z.string().optional() });

/** The demo's own passwords: of its database's two accounts, and the key of its orders API. */
export interface DemoPasswords {
  readonly superuser: Secret<string>;
  readonly app: Secret<string>;
  readonly orders: Secret<string>;
}

/** Made once per data directory; the demo is their only keeper. */
export async function demoPasswords(dataDir: string): Promise<DemoPasswords> {
  const path = join(dataDir, 'demo-passwords.json');
  const stored = await readStored(path);
  const { superuser = random(), app = random(), orders = random() } = stored ?? {};
  // one of an earlier version has no key for the orders
  if (stored?.orders === undefined) await replaceFile(path, Buffer.from(`${JSON.stringify({ superuser, app, orders })}\n`));
  return { superuser: new Secret(superuser), app: new Secret(app), orders: new Secret(orders) };
}

function random(): string {
  return randomBytes(24).toString('base64url');
}

async function readStored(path: string): Promise<z.infer<typeof Stored> | null> {
  try {
    return Stored.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}
