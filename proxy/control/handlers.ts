import type { Handlers } from './context.ts';
import type { ControlPorts } from './ports.ts';
import { accessHandlers } from './handlers/access.ts';
import { accountHandlers } from './handlers/account.ts';
import { auditHandlers } from './handlers/audit.ts';
import { maskingHandlers } from './handlers/masking.ts';
import { overviewHandlers } from './handlers/overview.ts';
import { ownHandlers } from './handlers/own.ts';
import { policyHandlers } from './handlers/policies.ts';
import { requestHandlers } from './handlers/requests.ts';
import { resourceHandlers } from './handlers/resources.ts';
import { serviceAccountHandlers } from './handlers/service-accounts.ts';
import { serviceHandlers } from './handlers/service.ts';
import { sessionHandlers } from './handlers/sessions.ts';
import { shadowHandlers } from './handlers/shadow.ts';
import { tokenHandlers } from './handlers/tokens.ts';
import { toolHandlers } from './handlers/tools.ts';
import { trustRuleHandlers } from './handlers/trust-rules.ts';
import { userHandlers } from './handlers/users.ts';
import { webhookHandlers } from './handlers/webhooks.ts';
import { witnessHandlers } from './handlers/witnesses.ts';

/** One handler for every route of the contract. */
export function createHandlers(ports: ControlPorts): Handlers {
  return {
    ...serviceHandlers(ports),
    ...serviceAccountHandlers(ports),
    ...tokenHandlers(ports),
    ...toolHandlers(ports),
    ...resourceHandlers(ports),
    ...policyHandlers(ports),
    ...sessionHandlers(ports),
    ...auditHandlers(ports),
    ...overviewHandlers(ports),
    ...ownHandlers(ports),
    ...requestHandlers(ports),
    ...accessHandlers(ports),
    ...userHandlers(ports),
    ...accountHandlers(ports),
    ...webhookHandlers(ports),
    ...shadowHandlers(ports),
    ...witnessHandlers(ports),
    ...trustRuleHandlers(ports),
    ...maskingHandlers(),
  };
}
