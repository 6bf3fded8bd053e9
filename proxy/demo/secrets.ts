import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Secret } from '../lib/secret.ts';
import { replaceFile } from '../store/files.ts';

const Stored = z.strictObject({ superuser: z.string(), app: z.string() });

/** The demo database's passwords, made once per data directory; the demo is their only keeper. */
export async function demoPasswords(dataDir: string): Promise<{ superuser: Secret<string>; app: Secret<string> }> {
  const path = join(dataDir, 'demo-passwords.json');
  const stored = await readStored(path);
  if (stored !== null) return { superuser: new Secret(stored.superuser), app: new Secret(stored.app) };
  const fresh = { superuser: randomBytes(24).toString('base64url'), app: randomBytes(24).toString('base64url') };
  await replaceFile(path, Buffer.from(`${JSON.stringify(fresh)}\n`));
  return { superuser: new Secret(fresh.superuser), app: new Secret(fresh.app) };
}

async function readStored(path: string): Promise<z.infer<typeof Stored> | null> {
  try {
    return Stored.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}
