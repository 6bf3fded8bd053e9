import { join } from 'node:path';
import { z } from 'zod';
import { openDocument, type LocalDocument } from '../appliances/document.ts';
import type { FilesPort } from '../ports.ts';

const Note = z.string().max(10_000);
const Instant = z.iso.datetime();

/** What this machine remembers of one log; `memory` is the witness's own (`proxy/proof/witness.ts`). */
const WitnessEntry = z.strictObject({
  appliance: z.string().regex(/^[a-z0-9]{1,40}$/),
  memory: z.strictObject({
    service: z.string().max(500),
    key: Note.nullable(),
    kept: Note.nullable(),
    alarm: z.strictObject({ why: z.string().max(1_000), note: Note, key: Note }).nullable(),
  }),
  checkedAt: Instant.nullable(),
  cosignedAt: Instant.nullable(),
  /** under which the service knows our cosigning key; null: not registered yet */
  witnessId: z.string().max(100).nullable(),
});
export type WitnessEntry = z.infer<typeof WitnessEntry>;

const Witnesses = z.strictObject({ format: z.literal('postern-witness/1'), witnesses: z.array(WitnessEntry).max(200) });
type Witnesses = z.infer<typeof Witnesses>;

/** The memories of all logs, in one file of the app. */
export class WitnessBook {
  readonly #document: LocalDocument<Witnesses>;

  private constructor(document: LocalDocument<Witnesses>) {
    this.#document = document;
  }

  static async open(dir: string, files: FilesPort): Promise<WitnessBook> {
    const initial: Witnesses = { format: 'postern-witness/1', witnesses: [] };
    return new WitnessBook(await openDocument(join(dir, 'witness.json'), { schema: Witnesses, initial }, files));
  }

  find(appliance: string): WitnessEntry | null {
    return this.#document.read().witnesses.find((each) => each.appliance === appliance) ?? null;
  }

  async put(entry: WitnessEntry): Promise<void> {
    await this.#document.update(({ format, witnesses }) => ({ format, witnesses: [...witnesses.filter((each) => each.appliance !== entry.appliance), entry] }));
  }

  async remove(appliance: string): Promise<void> {
    await this.#document.update(({ format, witnesses }) => ({ format, witnesses: witnesses.filter((each) => each.appliance !== appliance) }));
  }
}
