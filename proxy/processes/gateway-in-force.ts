import type { Resource } from '../contract/resource.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import type { ToolPin } from '../contract/tool-pin.ts';
import type { Approver } from '../contract/user.ts';
import type { Identity } from '../identity/identity.ts';
import type { Masking } from '../masking/masking.ts';
import type { Policy } from '../policy/policy.ts';

export interface Features {
  readonly identity: Identity;
  readonly policy: Policy;
  readonly masking: Masking;
}

/** The snapshot in force, applied to every feature at once. */
export class InForce {
  readonly first: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #features: Features;
  #snapshot: Snapshot | null = null;
  #byName = new Map<string, Resource>();

  constructor(features: Features) {
    this.#features = features;
  }

  resource(name: string): Resource | null {
    return this.#byName.get(name) ?? null;
  }

  get resources(): readonly Resource[] {
    return this.#snapshot?.resources ?? [];
  }

  get approvers(): readonly Approver[] {
    return this.#snapshot?.approvers ?? [];
  }

  get toolPins(): readonly ToolPin[] {
    return this.#snapshot?.toolPins ?? [];
  }

  /** of a service account, by id */
  owner(id: string): string | null {
    return this.#snapshot?.serviceAccounts.find((account) => account.id === id)?.owner ?? null;
  }

  /** Policies come first: if they cannot be taken, nothing of the snapshot is, and the old state stays. */
  apply(snapshot: Snapshot): void {
    if (this.#snapshot !== null && snapshot.version < this.#snapshot.version) return;
    const { identity, policy, masking } = this.#features;
    policy.update(snapshot.policies.version, snapshot.policies.files);
    policy.beside(snapshot.shadow);
    identity.update(snapshot);
    masking.update(snapshot.maskingRules);
    this.#snapshot = snapshot;
    this.#byName = new Map(snapshot.resources.map((resource) => [resource.name, resource]));
    this.first.resolve();
  }
}
