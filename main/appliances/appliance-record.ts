import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { FilesPort } from '../ports.ts';
import { openDocument, type LocalDocument } from './document.ts';
import { SealedKey, type KeyContext } from './sealed-key.ts';

const Line = z.string().min(1).max(200);
const Base64url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** A service this machine is enrolled at, with the approver's key and the key it cosigns checkpoints with. */
export const ApplianceRecord = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{1,40}$/),
  url: z.url({ protocol: /^https$/ }).max(500),
  /** SHA-256 of the CA certificate (DER), hex: the pin of the enrolment code */
  ca: z.string().regex(/^[0-9a-f]{64}$/),
  /** the CA this service's certificates come from; no other is trusted */
  caPem: z.string().max(16_384),
  /** origin of the service's log */
  service: Line,
  user: Line,
  userId: Line,
  keyId: Line,
  publicKey: Base64url32,
  key: SealedKey,
  witness: z.strictObject({ name: Line, publicKey: Base64url32, key: SealedKey }),
});
export type ApplianceRecord = z.infer<typeof ApplianceRecord>;

/** Where and whose a key is. */
export type AppliancePlace = Omit<ApplianceRecord, 'key' | 'witness' | 'publicKey'>;

const Appliances = z.strictObject({ format: z.literal('postern-appliances/1'), appliances: z.array(ApplianceRecord).max(200) });
type Appliances = z.infer<typeof Appliances>;

/** Nothing of an entry can be changed without its keys noticing. */
export function keyContext(place: AppliancePlace, use: 'approver' | 'witness', publicKey: string): KeyContext {
  const { id, url, ca, caPem, service, user, userId, keyId } = place;
  return { id, url, ca, caPem, service, user, userId, keyId, use, publicKey };
}

export function newApplianceId(): string {
  return randomBytes(10).toString('hex');
}

/** The enrolled services, in one file of the app. */
export class ApplianceBook {
  readonly #document: LocalDocument<Appliances>;

  private constructor(document: LocalDocument<Appliances>) {
    this.#document = document;
  }

  static async open(dir: string, files: FilesPort): Promise<ApplianceBook> {
    const initial: Appliances = { format: 'postern-appliances/1', appliances: [] };
    return new ApplianceBook(await openDocument(join(dir, 'appliances.json'), { schema: Appliances, initial }, files));
  }

  all(): readonly ApplianceRecord[] {
    return this.#document.read().appliances;
  }

  /** Writes what is there: a one-time code is not spent where its key could not be stored. */
  async proveWritable(): Promise<void> {
    await this.#document.update((current) => current);
  }

  async put(record: ApplianceRecord): Promise<void> {
    await this.#document.update(({ format, appliances }) => ({ format, appliances: [...appliances.filter(({ id }) => id !== record.id), record] }));
  }

  async remove(id: string): Promise<void> {
    await this.#document.update(({ format, appliances }) => ({ format, appliances: appliances.filter((each) => each.id !== id) }));
  }
}
