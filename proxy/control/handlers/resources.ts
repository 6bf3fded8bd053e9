import type { ResourceView } from '../../contract/api-views.ts';
import { asAppError, fail } from '../../contract/errors.ts';
import type { Resource } from '../../contract/resource.ts';
import type { LeasedCredential, Snapshot } from '../../contract/snapshot.ts';
import { newId } from '../../lib/ids.ts';
import { Secret } from '../../lib/secret.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { merged, pageOf } from './paging.ts';

type Names =
  | 'listResources'
  | 'showResource'
  | 'createResource'
  | 'updateResource'
  | 'setResourceCredential'
  | 'deleteResource'
  | 'testResource'
  | 'classifyStatement';
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'secrets' | 'targets'>;

const credentialPurpose = 'target-credential';
const leaseMs = 15_000;

export function resourceHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...readHandlers(ports), ...changeHandlers(ports), ...credentialHandlers(ports), ...targetHandlers(ports) };
}

function readHandlers({ state }: Ports): Pick<Handlers, 'listResources' | 'showResource'> {
  return {
    listResources: (input) => pageOf(state.snapshot().resources.map(viewOf), ({ name }) => name, input),
    showResource: ({ name }) => viewOf(needResource(state.snapshot(), name)),
  };
}

function changeHandlers({ state, clock, secrets }: Ports): Pick<Handlers, 'createResource' | 'updateResource' | 'deleteResource'> {
  return {
    createResource: ({ password, ...settings }, { exclusive }) =>
      exclusive(async (commit) => {
        const { resources } = state.snapshot();
        if (resources.some((resource) => resource.name === settings.name)) throw fail('ERR_CONFLICT');
        const resource: Resource = { id: newId('res'), ...settings, secret: newId('sec'), createdAt: new Date(clock.now()).toISOString() };
        assertPortFree(resources, resource);
        const secret = { id: resource.secret, version: 1 };
        await commit('secret.stored', {
          affected: `resource:${resource.name}`,
          value: secret,
          effect: (at) => secrets.put(at, { ...secret, purpose: credentialPurpose, value: new Secret(password) }),
        });
        await commit('resource.created', { affected: `resource:${resource.name}`, value: resource });
        return viewOf(resource);
      }),
    updateResource: ({ name, ...patch }, { exclusive }) =>
      exclusive(async (commit) => {
        const { resources } = state.snapshot();
        const resource = merged(needResource(state.snapshot(), name), patch);
        assertPortFree(resources, resource);
        await commit('resource.updated', { affected: `resource:${name}`, value: resource });
        return viewOf(resource);
      }),
    deleteResource: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        const resource = needResource(state.snapshot(), name);
        const secret = { id: resource.secret, version: state.secretVersion(resource.secret) };
        await commit('resource.deleted', { affected: `resource:${name}`, value: resource });
        await commit('secret.deleted', { affected: `resource:${name}`, value: secret, effect: (at) => secrets.delete(at, resource.secret) });
        return { done: true };
      }),
  };
}

function credentialHandlers({ state, secrets }: Ports): Pick<Handlers, 'setResourceCredential'> {
  return {
    setResourceCredential: ({ name, password }, { exclusive }) =>
      exclusive(async (commit) => {
        const resource = needResource(state.snapshot(), name);
        const secret = { id: resource.secret, version: state.secretVersion(resource.secret) + 1 };
        await commit('secret.stored', {
          affected: `resource:${name}`,
          value: secret,
          effect: (at) => secrets.put(at, { ...secret, purpose: credentialPurpose, value: new Secret(password) }),
        });
        return { done: true };
      }),
  };
}

function targetHandlers({ state, clock, secrets, targets }: Ports): Pick<Handlers, 'testResource' | 'classifyStatement'> {
  const lend = async <T>(resource: Resource, use: (credential: LeasedCredential) => Promise<T>): Promise<T> => {
    const holder = newId('opr');
    try {
      const lease = await secrets.lease(resource.secret, { holder, ttlMs: leaseMs, version: state.secretVersion(resource.secret) });
      return await use({ account: resource.account, password: lease.value.reveal(), secretVersion: lease.version });
    } finally {
      secrets.release(holder);
    }
  };
  return {
    testResource: async ({ name }, { record }) => {
      const resource = needResource(state.snapshot(), name);
      await record('credential.leased', { affected: `resource:${name}`, account: resource.account, reason: 'connection test' });
      const startedAt = clock.now();
      const took = (): number => Math.max(0, clock.now() - startedAt);
      try {
        await lend(resource, (credential) => targets.probe(resource, credential));
        return { reached: true, detail: `Logged in as ${resource.account}.`, durationMs: took() };
      } catch (error) {
        const fault = asAppError(error);
        // the administrator asked why: the target's own words are for them
        if (fault.code !== 'ERR_TARGET_UNREACHABLE' && fault.code !== 'ERR_TIMEOUT') throw fault;
        return { reached: false, detail: fault.detail ?? fault.message, durationMs: took() };
      }
    },
    classifyStatement: async ({ name, database, statement }, { record }) => {
      const resource = needResource(state.snapshot(), name);
      await record('credential.leased', { affected: `resource:${name}`, account: resource.account, reason: 'catalogue for explaining a command' });
      return lend(resource, (credential) => targets.classify(resource, credential, { database: database ?? resource.database, statement }));
    },
  };
}

export function needResource(snapshot: Snapshot, name: string): Resource {
  const resource = snapshot.resources.find((candidate) => candidate.name === name);
  if (!resource) throw fail('ERR_NOT_FOUND', { message: `There is no resource ${name}.` });
  return resource;
}

function assertPortFree(resources: readonly Resource[], wanted: Resource): void {
  const { listenPort } = wanted;
  if (listenPort === null || listenPort === 0) return;
  const holder = resources.find((other) => other.listenPort === listenPort && other.id !== wanted.id);
  if (holder) throw fail('ERR_CONFLICT', { message: `Port ${String(listenPort)} belongs to the resource ${holder.name}.` });
}

function viewOf({ secret: _, ...view }: Resource): ResourceView {
  return view;
}
