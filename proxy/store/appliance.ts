import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Low, type Adapter } from 'lowdb';
import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import { nodeFiles, replaceFile, type Files } from './files.ts';
import type { LogPosition } from './position.ts';

const Listener = z.strictObject({ host: z.string().min(1).max(253), port: z.int().min(0).max(65_535) });
const path = z.string().min(1).max(4096);

/** The appliance document: what must be known before the state can be opened. Small, readable, no secret in it. */
export const Appliance = z
  .strictObject({
    format: z.literal('postern-appliance/1'),
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$/),
    /** origin line of the audit log (c2sp.org/tlog-checkpoint); never changes */
    origin: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,200}(?:\/[A-Za-z0-9._-]{1,100}){0,4}$/),
    listeners: z.strictObject({ postgres: Listener, control: Listener, web: Listener.default({ host: '127.0.0.1', port: 8_444 }) }),
    tls: z.strictObject({ certificate: path, key: path, authority: path }).nullable(),
    setUp: z.discriminatedUnion('state', [
      /** SHA-256 of the secret in the one-time link, base64url */
      z.strictObject({ state: z.literal('pending'), linkHash: z.string().length(43) }),
      z.strictObject({ state: z.literal('done'), at: z.iso.datetime() }),
    ]),
  })
  .refine((value) => value.tls !== null || Object.values(value.listeners).every((listener) => isLoopback(listener.host)), {
    message: 'a listener beyond this machine needs TLS',
  });
export type Appliance = z.infer<typeof Appliance>;

export interface ApplianceDocument {
  read(): Appliance;
  /** `at`: the event that announced the change. Throws ERR_INVALID_INPUT; the document then stays as it was. */
  update(at: LogPosition, change: (current: Appliance) => Appliance): Promise<Appliance>;
}

/**
 * Opens the document, or makes it from `initial` on the first start. Throws ERR_INVALID_INPUT with all faults of a file
 * that does not fit the schema; unknown members are faults.
 */
export async function openAppliance(file: string, initial: (() => Appliance) | null, files: Files = nodeFiles): Promise<ApplianceDocument> {
  const adapter: Adapter<Appliance> = {
    read: async () => parse(await readOrNull(file), file),
    write: (value) => replaceFile(file, Buffer.from(`${JSON.stringify(value, null, 2)}\n`), files),
  };
  const first = await adapter.read();
  if (first === null && initial === null) throw fail('ERR_NOT_FOUND', { detail: `there is no ${file}` });
  const made = first ?? checked(initial?.(), file);
  if (first === null) {
    await files.makeDirectory(dirname(file));
    await adapter.write(made);
  }
  const document = new Low(adapter, made);
  let last: Promise<unknown> = Promise.resolve();
  return {
    read: () => structuredClone(document.data),
    update(_at, change) {
      const done = last.then(async () => {
        const before = document.data;
        const after = checked(change(structuredClone(before)), file);
        if (after.origin !== before.origin) throw fail('ERR_INVALID_INPUT', { message: 'The origin of the log cannot be changed.' });
        document.data = after;
        try {
          await document.write();
        } catch (error) {
          document.data = before;
          throw error;
        }
        return structuredClone(after);
      });
      last = done.catch(() => undefined);
      return done;
    },
  };
}

async function readOrNull(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function parse(text: string | null, file: string): Appliance | null {
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fail('ERR_INVALID_INPUT', { detail: `${file} is not JSON`, cause: error });
  }
  return checked(value, file);
}

function checked(value: unknown, file: string): Appliance {
  const parsed = Appliance.safeParse(value);
  if (!parsed.success) throw fail('ERR_INVALID_INPUT', { detail: `${file}:\n${z.prettifyError(parsed.error)}` });
  return parsed.data;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
