import type { Output } from '../../contract/api.ts';
import { rootType, type Resource } from '../../contract/resource.ts';
import type { CompiledPolicies } from '../../policy/compile.ts';
import { explain } from '../../policy/explain.ts';
import { compiledOrThrow } from '../../policy/policy.ts';
import { alone } from '../../policy/scope.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';

type Ports = Pick<ControlPorts, 'state' | 'clock' | 'read'>;
type OwnResource = Output<'listOwnResources'>['resources'][number];

const pageSize = 200;
/** requests of others between one's own are looked at, but not all there ever were */
const maxPages = 25;

/** What a service account asks about itself. */
export function ownHandlers({ state, clock, read }: Ports): Pick<Handlers, 'listOwnResources' | 'listOwnRequests'> {
  let known: { version: string; compiled: CompiledPolicies } | null = null;
  return {
    listOwnResources: (_input, { caller, origin }) => {
      const { serviceAccounts, resources, policies, tokens, grants } = state.snapshot();
      const account = serviceAccounts.find(({ id }) => id === caller.actor.subject);
      if (account === undefined) return { resources: [] };
      if (known?.version !== policies.version) known = { version: policies.version, compiled: compiledOrThrow(policies.files) };
      const { compiled } = known;
      const now = clock.now();
      const granted = grants.filter(({ principal, revokedAt, expiresAt }) => principal === account.id && revokedAt === null && Date.parse(expiresAt) > now);
      const principal = { name: account.name, groups: [...account.groups, ...granted.map(({ group }) => group)] };
      const scope = tokens.find(({ id }) => id === caller.actor.credential)?.resources ?? [];
      const mayConnect = (resource: Resource): boolean => {
        if (scope.length > 0 && !scope.includes(resource.name)) return false;
        const facts = {
          acts: [{ action: 'connect', object: { type: rootType[resource.protocol], path: [] } }],
          effect: 'none',
          context: alone('connect'),
          template: '',
        } as const;
        const database = resource.protocol === 'postgres' ? resource.database : '';
        const { permitted, approve } = explain(compiled, { principal, resource: resource.name, database, account: resource.account, origin }, { facts, now });
        return permitted && approve === null;
      };
      return { resources: resources.filter(mayConnect).map(shown).slice(0, 1_000) };
    },
    listOwnRequests: ({ limit }, { caller }) => {
      const requests: Output<'listOwnRequests'>['requests'] = [];
      let before: number | null = null;
      for (let page = 0; page < maxPages && requests.length < limit; page++) {
        const rows = read.requests.newest({}, { limit: pageSize, before });
        for (const { request } of rows) if (request.canonical.principal.subject === caller.actor.subject && requests.length < limit) requests.push(request);
        if (rows.length < pageSize) break;
        before = rows.at(-1)?.created ?? null;
      }
      return { requests };
    },
  };
}

function shown({ name, protocol, ...resource }: Resource): OwnResource {
  if (protocol === 'postgres') return { name, protocol, at: name };
  const isGroup = 'upstream' in resource && resource.upstream.transport === 'group';
  return { name, protocol, at: isGroup ? `/mcp/group/${name}` : `/${protocol}/${name}` };
}
