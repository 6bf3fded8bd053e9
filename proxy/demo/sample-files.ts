import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demoCards } from './payments-cards.ts';
import { unprivileged } from './reachable.ts';

const cardsPerReport = 40;

export interface SampleFiles {
  /** what the file server may see */
  readonly dir: string;
  /** where the payments server exports to */
  readonly exports: string;
}

/** Folders with a report that holds whole (test) card numbers, as they lie about on file servers. Beside the data directory: none of it is the service's. */
export async function sampleFiles(dataDir: string): Promise<SampleFiles> {
  const dir = `${dataDir}-files`;
  const exports = join(dir, 'exports');
  for (const folder of [dir, join(dir, 'reports'), join(dir, 'drafts'), exports]) await mkdir(folder, { recursive: true, mode: 0o755 });
  await writeFile(join(dir, 'reports', 'chargebacks-2026-10.csv'), report());
  await writeFile(join(dir, 'reports', 'README.txt'), 'Monthly reports. Chargebacks name the whole card; they should not.\n');
  await writeFile(join(dir, 'drafts', 'note.txt'), 'A draft that is nobody else’s business.\n');
  // in the sandbox of a service that runs as root, servers run as nobody
  const account = unprivileged();
  if (account) await chown(exports, account.uid, account.gid);
  return { dir, exports };
}

function report(): string {
  const rows = demoCards()
    .slice(0, cardsPerReport)
    .map(({ id, customer, pan, cvv, brand }) => [
      `cb_${String(id).padStart(4, '0')}`,
      `customer-${String(customer)}`,
      brand,
      pan,
      cvv,
      String(500 + ((id * 977) % 40_000)),
    ]);
  return `${[['case', 'customer', 'brand', 'pan', 'cvv', 'amount_cents'], ...rows].map((row) => row.join(',')).join('\n')}\n`;
}
