import type { ResourceView } from '../../contract/api-views.ts';
import { asAppError, fail } from '../../contract/errors.ts';
import { databaseOf, type Resource } from '../../contract/resource.ts';
import type { LeasedCredential, Snapshot } from '../../contract/snapshot.ts';
import { newId } from '../../lib/ids.ts';
import { Secret } from '../../lib/secret.ts';
import { assertCommandOnDisk } from '../command-on-disk.ts';
import type { Commit, Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { assertReferences } from '../resource-references.ts';
import { asksForSecret, invalidResource, wholeResource } from '../resource-settings.ts';
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

function changeHandlers(ports: Ports): Pick<Handlers, 'createResource' | 'updateResource' | 'deleteResource'> {
  const { state, clock, secrets } = ports;
  return {
    createResource: ({ password, ...settings }, { exclusive }) =>
      exclusive(async (commit) => {
        const { resources } = state.snapshot();
        if (resources.some((resource) => resource.name === settings.name)) throw fail('ERR_CONFLICT');
        const createdAt = new Date(clock.now()).toISOString();
        const resource = withSecret({ id: newId('res'), ...settings, createdAt }, newId('sec'));
        assertPasswordFits(resource, password);
        await assertFits([...resources, resource], resource);
        if (resource.secret !== null && password !== undefined) await storeSecret(ports, commit, { resource, secret: resource.secret, password });
        await commit('resource.created', { affected: `resource:${resource.name}`, value: resource });
        return viewOf(resource);
      }),
    updateResource: ({ name, ...patch }, { exclusive }) =>
      exclusive(async (commit) => {
        const { resources } = state.snapshot();
        const before = needResource(state.snapshot(), name);
        const resource = withSecret(merged<SomeSettings>(before, patch), before.secret ?? newId('sec'));
        await assertFits(
          resources.map((other) => (other.id === resource.id ? resource : other)),
          resource,
        );
        await commit('resource.updated', { affected: `resource:${name}`, value: resource });
        if (before.secret !== null && resource.secret === null) await dropSecret(ports, commit, { name, secret: before.secret });
        return viewOf(resource);
      }),
    deleteResource: ({ name }, { exclusive }) =>
      exclusive(async (commit) => {
        const resource = needResource(state.snapshot(), name);
        assertReferences(
          state.snapshot().resources.filter(({ id }) => id !== resource.id),
          name,
        );
        const { secret } = resource;
        const version = secret === null ? 0 : state.secretVersion(secret);
        await commit('resource.deleted', { affected: `resource:${name}`, value: resource });
        // none was ever stored: the target asks for none, or it never was given
        if (secret !== null && version > 0)
          await commit('secret.deleted', { affected: `resource:${name}`, value: { id: secret, version }, effect: (at) => secrets.delete(at, secret) });
        return { done: true };
      }),
  };
}

function credentialHandlers(ports: Ports): Pick<Handlers, 'setResourceCredential'> {
  return {
    setResourceCredential: ({ name, password }, { exclusive }) =>
      exclusive(async (commit) => {
        const resource = needResource(ports.state.snapshot(), name);
        const { secret } = resource;
        if (secret === null)
          throw fail('ERR_CONFLICT', {
            message: `${name} asks for no credential.`,
            hint: 'Say first how the target gets it: `postern resource update --help`.',
          });
        await storeSecret(ports, commit, { resource, secret, password });
        return { done: true };
      }),
  };
}

type Storing = { readonly resource: Resource; readonly secret: string; readonly password: string };

async function storeSecret({ state, secrets }: Ports, commit: Commit<'secret.stored'>, { resource, secret: id, password }: Storing): Promise<void> {
  const secret = { id, version: state.secretVersion(id) + 1 };
  await commit('secret.stored', {
    affected: `resource:${resource.name}`,
    value: secret,
    effect: (at) => secrets.put(at, { ...secret, purpose: credentialPurpose, value: new Secret(password) }),
  });
}

/** The target asks for none any more. */
async function dropSecret({ state, secrets }: Ports, commit: Commit<'secret.deleted'>, { name, secret: id }: { name: string; secret: string }): Promise<void> {
  const version = state.secretVersion(id);
  if (version > 0) await commit('secret.deleted', { affected: `resource:${name}`, value: { id, version }, effect: (at) => secrets.delete(at, id) });
}

function targetHandlers({ state, clock, secrets, targets }: Ports): Pick<Handlers, 'testResource' | 'classifyStatement'> {
  const lend = async <T>(resource: Resource, use: (credential: LeasedCredential) => Promise<T>): Promise<T> => {
    const { secret, account } = resource;
    if (secret === null) return use({ account, password: '', secretVersion: 0 });
    const holder = newId('opr');
    try {
      const lease = await secrets.lease(secret, { holder, ttlMs: leaseMs, version: state.secretVersion(secret) });
      return await use({ account, password: lease.value.reveal(), secretVersion: lease.version });
    } finally {
      secrets.release(holder);
    }
  };
  /** Gives whether it was reached, and how. */
  const reach = async (resource: Resource): Promise<{ reached: boolean; detail: string }> => {
    try {
      return { reached: true, detail: await lend(resource, (credential) => targets.probe(resource, credential)) };
    } catch (error) {
      const fault = asAppError(error);
      // the administrator asked why: the target's own words are for them
      if (fault.code !== 'ERR_TARGET_UNREACHABLE' && fault.code !== 'ERR_TIMEOUT') throw fault;
      return { reached: false, detail: fault.detail ?? fault.message };
    }
  };
  return {
    testResource: async ({ name }, { record }) => {
      const tested = withMembers(state.snapshot(), needResource(state.snapshot(), name));
      for (const resource of tested)
        await record('credential.leased', { affected: `resource:${resource.name}`, account: resource.account, reason: 'connection test' });
      const startedAt = clock.now();
      const results = await Promise.all(tested.map(async (resource) => ({ name: resource.name, ...(await reach(resource)) })));
      const durationMs = Math.max(0, clock.now() - startedAt);
      const [only] = results;
      const detail = results.length === 1 && only ? only.detail : results.map((result) => `${result.name}: ${result.detail}`).join(' ');
      return { reached: results.every(({ reached }) => reached), detail, durationMs };
    },
    classifyStatement: async ({ name, database, statement }, { record }) => {
      const resource = needResource(state.snapshot(), name);
      if (resource.protocol !== 'postgres')
        throw fail('ERR_INVALID_INPUT', { message: `${name} takes no SQL.`, faults: [{ path: 'name', message: 'is no PostgreSQL resource' }] });
      await record('credential.leased', { affected: `resource:${name}`, account: resource.account, reason: 'catalogue for explaining a command' });
      return lend(resource, (credential) => targets.classify(resource, credential, { database: database ?? databaseOf(resource), statement }));
    },
  };
}

/** A group is what its members are. */
function withMembers(snapshot: Snapshot, resource: Resource): readonly Resource[] {
  if (resource.protocol !== 'mcp' || resource.upstream.transport !== 'group') return [resource];
  return resource.upstream.members.map((member) => needResource(snapshot, member));
}

export function needResource(snapshot: Snapshot, name: string): Resource {
  const resource = snapshot.resources.find((candidate) => candidate.name === name);
  if (!resource) throw fail('ERR_NOT_FOUND', { message: `There is no resource ${name}.` });
  return resource;
}

type SomeSettings = Readonly<Record<string, unknown>> & Pick<Resource, 'protocol'>;

/** `secret`: the id under which the vault keeps it, if the target asks for one. */
function withSecret(settings: SomeSettings, secret: string): Resource {
  // whether it asks for one is known once the settings are whole
  const whole = wholeResource({ ...settings, secret });
  return asksForSecret(whole) ? whole : wholeResource({ ...settings, secret: null });
}

function assertPasswordFits(resource: Resource, password: string | undefined): void {
  if (resource.secret !== null && password === undefined) throw invalidResource([{ path: 'password', message: 'is needed: the target asks for a credential' }]);
  if (resource.secret === null && password !== undefined)
    throw invalidResource([{ path: 'password', message: 'is of no use: the settings say that the target asks for none' }]);
}

/** `resources`: as they would be with it. */
async function assertFits(resources: readonly Resource[], resource: Resource): Promise<void> {
  assertPortFree(resources, resource);
  assertReferences(resources, resource.name);
  await assertCommandOnDisk(resource);
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
