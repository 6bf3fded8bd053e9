import type { Output } from '../../proxy/contract/api.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { decisionBytes } from '../../proxy/proof/decision.ts';
import type { EnrolledAppliance } from '../appliances/enrolled-appliance.ts';
import type { DecisionInput } from '../contract/bridge.ts';
import type { ClockPort } from '../ports.ts';
import { digestOfShown } from './shown-request.ts';

const minReasonChars = 3;
const maxReasonChars = 500;

export interface DecidingPorts {
  readonly clock: ClockPort;
  /** why nothing of this service may be decided; null: it may */
  readonly distrust: (appliance: string) => string | null;
}

/**
 * Signs what the service itself shows now, if it is what was on the screen, and sends it. Throws ERR_CONFLICT when it is another
 * request, ERR_VERIFICATION_FAILED when the service's log is not to be trusted, and what the service answers.
 */
export async function decide(input: DecisionInput, appliance: EnrolledAppliance, { clock, distrust }: DecidingPorts): Promise<Output<'decideRequest'>> {
  const why = distrust(appliance.record.id);
  if (why !== null)
    throw fail('ERR_VERIFICATION_FAILED', { message: `Nothing is decided here: ${why}`, hint: 'Tell the auditor, and keep this machine as it is.' });
  const reason = checkedReason(input);
  const { request } = await appliance.call('showRequest', { id: input.request });
  const { canonical } = request;
  if (canonical.id !== input.request || digestOfShown(canonical) !== input.shown) {
    throw fail('ERR_CONFLICT', { message: 'The request is not the one on the screen.', hint: 'Look at it again before you decide.' });
  }
  if (input.seconds !== undefined && (canonical.subject.kind !== 'access' || input.seconds > canonical.subject.seconds)) {
    throw fail('ERR_INVALID_INPUT', { message: 'Only an access can be shortened, and none lengthened.' });
  }
  if (input.verdict === 'approve' && canonical.terms.risk === 'high') await appliance.keys.signIn(null);
  const { record, keys } = appliance;
  const { human } = keys.user();
  const text = {
    verdict: input.verdict,
    approver: record.userId,
    human,
    reason,
    at: new Date(clock.now()).toISOString(),
    ...(input.seconds !== undefined && { seconds: input.seconds }),
  };
  const signature = { type: 'ed25519' as const, key: record.keyId, signature: keys.approver().signText(decisionBytes({ request: canonical, ...text })) };
  return appliance.call('decideRequest', { id: request.id, decision: { request: request.id, ...text, signature } });
}

function checkedReason({ verdict, reason }: DecisionInput): string {
  const text = reason.trim();
  if (text.length > maxReasonChars) throw fail('ERR_INVALID_INPUT', { message: `The reason is longer than ${String(maxReasonChars)} characters.` });
  if (verdict === 'deny' && text.length < minReasonChars) {
    throw fail('ERR_INVALID_INPUT', {
      message: 'To deny needs a reason.',
      faults: [{ path: 'reason', message: `at least ${String(minReasonChars)} characters` }],
    });
  }
  return text;
}
