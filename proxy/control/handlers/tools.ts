import { fail } from '../../contract/errors.ts';
import { isAgreed, type ToolPin } from '../../contract/tool-pin.ts';
import type { Parsed } from '../../contract/api.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { pageOf } from './paging.ts';

type ToolState = NonNullable<Parsed<'listTools'>['state']>;

export function toolHandlers({ read, clock }: Pick<ControlPorts, 'read' | 'clock'>): Pick<Handlers, 'listTools' | 'decideTool'> {
  return {
    listTools: ({ resource, state: wanted, ...page }) => {
      const pins = resource === undefined ? read.toolPins.all() : read.toolPins.of(resource);
      return pageOf(
        pins.filter((pin) => wanted === undefined || stateOf(pin) === wanted),
        ({ id }) => id,
        page,
      );
    },
    decideTool: ({ id, decision, offered, readOnly }, { exclusive, caller }) =>
      exclusive(async (commit) => {
        const pin = read.toolPins.find(id);
        if (pin === null) throw fail('ERR_NOT_FOUND', { message: `There is no tool ${id}.` });
        if (pin.offered !== offered)
          throw fail('ERR_CONFLICT', { message: 'The server offers something else by now.', hint: 'Look at it again, then decide.' });
        const by = { decidedAt: new Date(clock.now()).toISOString(), decidedBy: caller.actor.name };
        const decided = decision === 'approve' ? { ...agreed(pin, readOnly), ...by } : { ...refused(pin), ...by };
        await commit(decision === 'approve' ? 'tool.approved' : 'tool.rejected', { affected: affectedBy(pin), value: decided });
        return decided;
      }),
  };
}

/** Its name is the server's own text: that stands in the sealed body. */
export function affectedBy({ resource, id }: Pick<ToolPin, 'resource' | 'id'>): string {
  return `resource:${resource} tool:${id}`;
}

function stateOf(pin: ToolPin): ToolState {
  if (pin.rejected) return 'rejected';
  return isAgreed(pin, pin.offered) ? 'agreed' : 'quarantined';
}

function agreed(pin: ToolPin, readOnly: boolean): ToolPin {
  // only tools are called: what else there is changes nothing anyway
  return { ...pin, approved: pin.offered, approvedDefinition: pin.offeredDefinition, readOnly: readOnly && pin.kind === 'tool', rejected: false };
}

/** Who refuses a change keeps what was agreed to before; who refuses just that, agrees to nothing. */
function refused(pin: ToolPin): ToolPin {
  const before = pin.approved === pin.offered ? { approved: null, approvedDefinition: null } : {};
  return { ...pin, ...before, readOnly: false, rejected: true };
}
