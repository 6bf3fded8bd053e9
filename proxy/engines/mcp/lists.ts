import type { Session } from '../../pipeline/engine.ts';
import { member, text, type JsonNode, type JsonObject } from '../../lib/json/node.ts';
import type { Catalogue } from './catalogue.ts';
import { stringNode, withMember } from './envelope.ts';
import type { KnownFacts, Subject } from './facts.ts';

export interface ListGiven {
  readonly session: Pick<Session, 'possible'>;
  readonly catalogue: Catalogue;
  readonly known: KnownFacts;
}

/** A result as this caller may see it: entries that no call of theirs could reach are left out (mcp.md E4), and nobody else may be given it. */
export function resultFor(method: string, result: JsonObject, given: ListGiven): JsonObject {
  return withPrivateCache(listed(method, result, given));
}

function listed(method: string, result: JsonObject, given: ListGiven): JsonObject {
  switch (method) {
    case 'tools/list':
      return filtered(result, 'tools', (entries) => pinned('tool', entries, given));
    case 'prompts/list':
      return filtered(result, 'prompts', (entries) => pinned('prompt', entries, given));
    case 'resources/list':
      return filtered(result, 'resources', (entries) => entries.filter((entry) => isReadable(entry, 'uri', given)));
    case 'resources/templates/list':
      return filtered(result, 'resourceTemplates', (entries) => entries.filter((entry) => isReadable(entry, 'uriTemplate', given)));
    case 'initialize':
    case 'server/discover':
      return withAgreedInstructions(result, given.catalogue);
    default:
      return result;
  }
}

function filtered(result: JsonObject, key: string, keep: (entries: readonly JsonNode[]) => readonly JsonNode[]): JsonObject {
  const entries = member(result, key);
  return entries?.kind === 'array' ? withMember(result, key, { kind: 'array', items: keep(entries.items) }) : result;
}

function pinned(kind: 'tool' | 'prompt', entries: readonly JsonNode[], { session, catalogue, known }: ListGiven): readonly JsonNode[] {
  const definitions = catalogue.observe(kind, entries);
  return entries.filter((_entry, at) => {
    const definition = definitions[at];
    if (definition === undefined || !catalogue.isAgreed(kind, definition)) return false;
    const { name } = definition;
    const subject: Subject =
      kind === 'tool' ? { action: 'mcp:call', type: 'Tool', name, pinned: kind } : { action: 'mcp:prompt', type: 'Prompt', name, pinned: kind };
    return session.possible(known.of(kind === 'tool' ? 'tools/call' : 'prompts/get', subject, kind === 'tool' && catalogue.isReadOnly(name)));
  });
}

function isReadable(entry: JsonNode, key: string, { session, known }: ListGiven): boolean {
  const name = text(member(entry, key));
  return (
    name !== undefined && name !== '' && session.possible(known.of('resources/read', { action: 'mcp:read', type: 'McpResource', name, pinned: null }, false))
  );
}

function withAgreedInstructions(result: JsonObject, catalogue: Catalogue): JsonObject {
  const instructions = member(result, 'instructions');
  if (instructions === undefined) return result;
  const serverInfo = member(result, 'serverInfo') ?? member(member(result, '_meta'), 'io.modelcontextprotocol/serverInfo');
  return catalogue.instructionsAgreed(instructions, serverInfo) ? result : withMember(result, 'instructions', undefined);
}

/** What was filtered and masked for one caller is no answer for another. */
function withPrivateCache(result: JsonObject): JsonObject {
  const scope = member(result, 'cacheScope');
  return scope === undefined || text(scope) === 'private' ? result : withMember(result, 'cacheScope', stringNode('private'));
}
