import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Appliance, Ran } from './appliance.ts';

/** A request as the command line shows it. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  readonly closedReason: string | null;
  readonly rowEstimate?: number;
  readonly canonical: {
    readonly terms: { readonly group: string; readonly needed: number };
    readonly subject: {
      readonly kind: string;
      readonly command?: string;
      readonly hidden?: readonly { position: number; type: string; mark: string }[];
      readonly searchPath?: string;
    };
  };
}

/** People with keys of their own, on a machine of their own. */
export class Approvers {
  readonly #appliance: Appliance;
  readonly #dir = mkdtempSync(join(tmpdir(), 'postern-approvers-'));

  constructor(appliance: Appliance) {
    this.#appliance = appliance;
  }

  keyFile(name: string): string {
    return join(this.#dir, `${name}.json`);
  }

  async add(name: string, human: string, groups: readonly string[]): Promise<void> {
    await this.#appliance.json(['user', 'add', name, '--human', human, ...groups.flatMap((group) => ['--group', group])]);
    const { code } = (await this.#appliance.json(['user', 'invite', name])) as { code: string };
    const enrolled = await this.#appliance.cli(['enrol', code, '--no-passphrase', '--key-file', this.keyFile(name)]);
    if (enrolled.code !== 0) throw new Error(`${enrolled.err}${enrolled.out}`);
  }

  decide(verdict: 'approve' | 'deny', id: string, name: string, reason = 'looked at it'): Promise<Ran> {
    return this.#appliance.cli(['requests', verdict, id, '--reason', reason, '--yes', '--key-file', this.keyFile(name)]);
  }

  async requests(status: string): Promise<Shown[]> {
    return (await this.#appliance.json(['requests', 'list', '--status', status])) as Shown[];
  }

  async find(id: string): Promise<Shown> {
    const all = (await this.#appliance.json(['requests', 'list', '--limit', '500'])) as Shown[];
    const found = all.find((request) => request.id === id);
    if (found === undefined) throw new Error(`no request ${id}`);
    return found;
  }

  /** The one request that waits. */
  async waiting(deadlineMs = 10_000): Promise<Shown> {
    for (const from = Date.now(); ; ) {
      const [first, ...others] = await this.requests('pending');
      if (others.length > 0) throw new Error(`${String(others.length + 1)} requests wait`);
      if (first !== undefined) return first;
      if (Date.now() - from > deadlineMs) throw new Error('nothing waits');
      await sleep(50);
    }
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
