import { fail } from '../contract/errors.ts';
import type { McpResource, Resource } from '../contract/resource.ts';
import type { InputFault } from '../lib/errors.ts';
import { invalidResource } from './resource-settings.ts';

interface Broken extends InputFault {
  /** the resource that names another one */
  readonly holder: string;
  readonly path: string;
}

/**
 * Groups name their members and analysers a database: both must be there, and be what they are named as. `resources`: as they
 * would be after the change of `changed`. Throws ERR_INVALID_INPUT when what it names itself is not so, ERR_CONFLICT when
 * others name it.
 */
export function assertReferences(resources: readonly Resource[], changed: string): void {
  const byName = new Map(resources.map((resource) => [resource.name, resource]));
  const broken = resources.flatMap((resource) => (resource.protocol === 'mcp' ? [...brokenOf(resource, byName)] : []));
  const own = broken.filter(({ holder }) => holder === changed);
  if (own.length > 0) throw invalidResource(own.map(({ path, message }) => ({ path, message })));
  const [first] = broken;
  if (first) {
    const holders = [...new Set(broken.map(({ holder }) => holder))].join(', ');
    throw fail('ERR_CONFLICT', { message: `The resource ${changed} is named by ${holders}.`, hint: `Change ${first.holder} first (${first.path}).` });
  }
}

function* brokenOf(resource: McpResource, byName: ReadonlyMap<string, Resource>): Generator<Broken> {
  const { name: holder, upstream, analysers } = resource;
  if (upstream.transport === 'group') {
    for (const [index, member] of upstream.members.entries()) {
      const message = memberFault(member, byName.get(member)) ?? (upstream.members.indexOf(member) === index ? null : 'is named twice');
      if (message !== null) yield { holder, path: `upstream.members.${String(index)}`, message };
    }
  }
  for (const [index, { reads }] of analysers.entries()) {
    if (reads.as !== 'sql' || byName.get(reads.resource)?.protocol === 'postgres') continue;
    yield { holder, path: `analysers.${String(index)}.reads.resource`, message: `there is no PostgreSQL resource ${reads.resource}` };
  }
}

/** Tools are named `member__tool`: where a member's name ends must be clear. */
function memberFault(name: string, member: Resource | undefined): string | null {
  if (member?.protocol !== 'mcp') return `there is no MCP resource ${name}`;
  if (member.upstream.transport === 'group') return `${name} is a group itself`;
  return name.includes('__') || name.endsWith('_') ? `${name} cannot be told from the names of its tools: no __ inside, no _ at its end` : null;
}
