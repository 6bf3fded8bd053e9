import { z } from 'zod';
import type { Output } from '../../contract/api.ts';
import type { AuditEventView } from '../../contract/api-views.ts';
import { ApprovalRequest } from '../../contract/approval-request.ts';
import { fail } from '../../contract/errors.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf } from './paging.ts';
import { compiled, policyVersion } from './policies.ts';

type Names = 'getShadowPolicies' | 'putShadowPolicies' | 'listShadowResults';
type Ports = Pick<ControlPorts, 'state' | 'shadowed'>;
type Result = Output<'listShadowResults'>['items'][number];

const off = 'none';

/** Policies that are evaluated beside those in force and decide nothing. */
export function shadowHandlers({ state, shadowed }: Ports): Pick<Handlers, Names> {
  return {
    getShadowPolicies: () => {
      const { version, files } = state.snapshot().shadow ?? { version: off, files: [] };
      return { version, files: [...files] };
    },
    putShadowPolicies: ({ files }, { exclusive }) =>
      exclusive(async (commit) => {
        // a set that could not be put in force cannot be tried either
        compiled(files);
        const version = files.length === 0 ? off : policyVersion(files);
        await commit('shadow-policy.updated', { affected: 'shadow-policy', value: { version, files } });
        return { version };
      }),
    listShadowResults: async ({ version, limit, cursor }) => {
      const { events, before } = await shadowed({ version }, { limit, before: indexOf(cursor) });
      return { items: events.map(resultOf), next: before === null ? null : String(before) };
    },
  };
}

const decidedBy: Readonly<Record<string, Result['decided']>> = {
  'operation.intended': 'forward',
  'operation.refused': 'refuse',
  'approval-request.created': 'hold',
};

const Header = z.object({
  code: z.string(),
  at: z.string(),
  affected: z.string(),
  shadow: z.enum(['forward', 'refuse', 'hold']),
  actor: z.object({ name: z.string() }),
});

function resultOf({ index, header, body }: AuditEventView): Result {
  const parsed = Header.safeParse(header);
  const decided = parsed.success ? decidedBy[parsed.data.code] : undefined;
  if (!parsed.success || decided === undefined) throw fail('ERR_INTERNAL', { detail: `event ${String(index)} is no result of shadow policies` });
  const { at, affected, shadow, actor } = parsed.data;
  return { index, at, principal: actor.name, ...subjectOf(decided, { affected, body }), decided, shadow };
}

/** A held command is told by the request it became; the others tell themselves. */
function subjectOf(decided: Result['decided'], { affected, body }: { affected: string; body: string | null }): Pick<Result, 'resource' | 'command'> {
  if (decided !== 'hold') return { resource: affected, command: body };
  const { data } = ApprovalRequest.safeParse(body === null ? null : JSON.parse(body));
  const subject = data?.canonical.subject;
  return subject?.kind === 'operation' ? { resource: subject.resource, command: subject.command } : { resource: affected, command: null };
}
