import type { InputFault } from '../lib/errors.ts';
import type { ClaimCondition, TrustRule } from '../contract/trust-rule.ts';

type Judged = Pick<TrustRule, 'issuer' | 'platform' | 'keys' | 'conditions' | 'algorithms'>;

interface Fixed {
  /** whether the condition alone ties the rule to what nobody but the platform decides */
  readonly ties: (condition: ClaimCondition) => boolean;
  readonly why: string;
}

/**
 * What each platform fixes, and does not let others take: names of repositories, projects and organisations can be changed, and the
 * freed name taken by anybody; a workflow can be called from any repository that sees it.
 */
const fixed: Readonly<Record<Exclude<TrustRule['platform'], 'client'>, Fixed>> = {
  github: {
    ties: (condition) => isOneOf(condition, 'repository_id', 'repository_owner_id', 'enterprise_id'),
    why:
      'A rule for GitHub needs a condition one-of on repository_id, repository_owner_id or enterprise_id. Names, in sub and repository, can be changed and ' +
      'taken over by somebody else, and job_workflow_ref says which workflow runs, not who called it.',
  },
  gitlab: {
    ties: (condition) => isOneOf(condition, 'project_id', 'namespace_id'),
    why:
      'A rule for GitLab needs a condition one-of on project_id or namespace_id: paths of projects can be changed and taken over by somebody else. ' +
      'Add ref_protected = true, so that only protected branches and tags are let in.',
  },
  kubernetes: {
    ties: (condition) => isOneOf(condition, 'sub') || begins(condition, 'sub', /^system:serviceaccount:[a-z0-9-]+:/),
    why: 'A rule for Kubernetes needs a condition on sub: one service account, or those of one namespace (system:serviceaccount:NAMESPACE:*).',
  },
  other: {
    ties: (condition) => isOneOf(condition, 'sub') || begins(condition, 'sub', /^[^*]{3}/),
    why: 'The rule needs a condition on sub that says whom it means: without one, everybody the issuer knows is let in.',
  },
};

/** Why a rule is not to be trusted with anything; empty: nothing is wrong with it. Keys that are uploaded are checked on their own. */
export function faultsOf(rule: Judged): InputFault[] {
  return [...issuerFaults(rule), ...conditionFaults(rule)];
}

function conditionFaults({ platform, conditions }: Judged): InputFault[] {
  if (platform === 'client') return [];
  const { ties, why } = fixed[platform];
  return conditions.some((condition) => ties(condition)) ? [] : [{ path: 'conditions', message: why }];
}

function issuerFaults({ issuer, platform, keys }: Judged): InputFault[] {
  if (/[\s\p{Cc}]/u.test(issuer)) return [{ path: 'issuer', message: 'It must not hold blanks.' }];
  if (keys.from === 'uploaded') return [];
  if (platform === 'client') return [{ path: 'keys', message: 'A client has no issuer that could be asked: upload its public key.' }];
  const url = URL.parse(issuer);
  const schemes = keys.allowLocal ? ['https:', 'http:'] : ['https:'];
  if (url === null || !schemes.includes(url.protocol)) return [{ path: 'issuer', message: 'Its keys are fetched from it, so it must be an https address.' }];
  if (url.username !== '' || url.password !== '' || /[?#]/.test(issuer)) {
    return [{ path: 'issuer', message: 'It must be an address without user, query and fragment.' }];
  }
  return [];
}

function isOneOf({ claim, test }: ClaimCondition, ...claims: readonly string[]): boolean {
  return test.is === 'one-of' && claims.includes(claim);
}

function begins({ claim, test }: ClaimCondition, wanted: string, prefix: RegExp): boolean {
  return claim === wanted && test.is === 'like' && prefix.test(test.pattern);
}
