import type { Clock } from '../lib/clock.ts';
import { systemClock } from '../lib/clock.ts';
import { fail } from '../contract/errors.ts';
import type { PolicyFile } from '../contract/snapshot.ts';
import type { PolicyPort } from '../pipeline/ports.ts';
import { type CompiledPolicies, compilePolicies, faultText } from './compile.ts';
import { type InForce, createScope } from './scope.ts';
import { besideOf, newShadow, type Shadow } from './shadow.ts';
import { createSlices } from './slices.ts';

export interface Policy {
  readonly port: PolicyPort;
  /**
   * Replaces the policies in force at once, for live scopes too. Throws ERR_POLICY_INVALID with the faults, and then the
   * old policies stay in force. Unchanged files are not compiled again: 1,000 policies take about half a second.
   */
  update(version: string, files: readonly PolicyFile[]): void;
  /**
   * Replaces the policies that are evaluated beside those in force; null: none. They decide nothing: when they cannot be
   * taken there are none, and the fault is told.
   */
  beside(set: { readonly version: string; readonly files: readonly PolicyFile[] } | null): void;
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
  let shadow: Shadow | null = null;
  const onShadowFault = (error: unknown): void => {
    if (shadow === null) return;
    shadow.faults += 1;
    // the operator hears of the first: it may be there in every command
    if (shadow.faults === 1) onFault(error);
  };
  return {
    port: {
      get version() {
        return inForce?.version ?? 'none';
      },
      scope: ({ caller, resource, database, account, origin }) => {
        const request = { principal: { name: caller.name, groups: caller.groups }, resource: resource.name, database, account, origin };
        return besideOf(
          createScope(request, { clock, onFault, inForce: () => inForce }),
          createScope(request, { clock, onFault: onShadowFault, inForce: () => shadow?.inForce ?? null }),
          () => shadow,
        );
      },
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
    beside: (set) => {
      if (set !== null && shadow?.inForce.version === set.version) return;
      shadow?.inForce.slices.release();
      shadow = null;
      try {
        if (set !== null) shadow = newShadow({ version: set.version, slices: createSlices(compiledOrThrow(set.files)) });
      } catch (error) {
        onFault(error);
      }
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
