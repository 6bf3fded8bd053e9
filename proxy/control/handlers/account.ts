import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';

type Ports = Pick<ControlPorts, 'read' | 'enrolment' | 'version' | 'restart' | 'mask'>;

/** What a caller asks about itself, and what ends: its sign-in, a process of the service. */
export function accountHandlers({ read, enrolment, version, restart, mask }: Ports): Pick<Handlers, 'whoAmI' | 'signOut' | 'restartService'> {
  return {
    whoAmI: (_input, { caller: { actor, roles } }) => ({
      name: actor.name,
      kind: actor.kind,
      roles: [...roles],
      user: roles.includes('approver') ? read.users.find(actor.subject) : null,
      service: enrolment().service,
      version,
    }),
    signOut: async (_input, { caller, record }) => {
      await record('authentication.ended', { affected: 'control' });
      caller.end?.();
      return { done: true };
    },
    restartService: async ({ part, reason }, { record, signal }) => {
      await record('service.restart-requested', { affected: part, reason: mask(reason) });
      // once the answer is out, or nobody waits for it any more: control itself may be what ends
      const begin = (): void => {
        restart(part);
      };
      if (signal.aborted) begin();
      else signal.addEventListener('abort', begin, { once: true });
      return { done: true };
    },
  };
}
