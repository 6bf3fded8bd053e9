import type { Clock } from '../lib/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { fail } from '../contract/errors.ts';
import type { PolicyFile } from '../contract/snapshot.ts';
import type { PolicyPort } from '../pipeline/ports.ts';
import { type CompiledPolicies, compilePolicies, faultText } from './compile.ts';
import { type InForce, createScope } from './scope.ts';
import { createSlices } from './slices.ts';

export interface Policy {
  readonly port: PolicyPort;
  /**
   * Replaces the policies in force at once, for live scopes too. Throws ERR_POLICY_INVALID with the faults, and then the
   * old policies stay in force. Unchanged files are not compiled again: 1,000 policies take about half a second.
   */
  update(version: string, files: readonly PolicyFile[]): void;
}

export interface PolicyOptions {
  readonly clock?: Clock;
  /** told of faults while deciding, each of which is a refusal; for the operator's log */
  readonly onFault?: (error: unknown) => void;
}

/** The policy decision point of one process. Everything is denied until the first `update`. */
export function createPolicy({ clock = systemClock, onFault = () => undefined }: PolicyOptions = {}): Policy {
  let inForce: InForce | null = null;
  let files: readonly PolicyFile[] = [];
  return {
    port: {
      get version() {
        return inForce?.version ?? 'none';
      },
      scope: ({ caller, resource, database, account, origin }) =>
        createScope(
          { principal: { name: caller.name, groups: caller.groups }, resource: resource.name, database, account, origin },
          { clock, onFault, inForce: () => inForce },
        ),
    },
    update: (version, next) => {
      if (inForce !== null && sameFiles(files, next)) {
        inForce = { version, slices: inForce.slices };
        return;
      }
      const slices = createSlices(compiledOrThrow(next));
      inForce?.slices.release();
      inForce = { version, slices };
      files = next.map(({ name, text }) => ({ name, text }));
    },
  };
}

function sameFiles(a: readonly PolicyFile[], b: readonly PolicyFile[]): boolean {
  return a.length === b.length && a.every((file, index) => file.name === b[index]?.name && file.text === b[index].text);
}

/** The compiled set; throws ERR_POLICY_INVALID naming file, line and column of each fault. */
export function compiledOrThrow(files: readonly PolicyFile[]): CompiledPolicies {
  const compilation = compilePolicies(files);
  if (compilation.ok) return compilation.compiled;
  throw fail('ERR_POLICY_INVALID', { message: `The policy is not valid.\n${compilation.faults.map(faultText).join('\n')}` });
}
