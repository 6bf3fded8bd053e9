import type { TrustRule } from '../../../proxy/contract/trust-rule.ts';

export type Platform = TrustRule['platform'];

interface PlatformText {
  readonly label: string;
  readonly note: string;
  /** null: it has to be asked for */
  readonly issuer: string | null;
  readonly issuerHelp: string;
  readonly algorithms: readonly TrustRule['algorithms'][number][];
  /** claims worth keeping with every event */
  readonly recorded: readonly string[];
  /** claims that conditions are usually made of; the first is one that the rule needs */
  readonly claims: readonly string[];
  /** what nobody but the platform decides, and why it is needed; see docs/ci.md */
  readonly fixed: string;
}

export const platforms: Readonly<Record<Platform, PlatformText>> = {
  github: {
    label: 'GitHub Actions',
    note: 'jobs of a repository',
    issuer: 'https://token.actions.githubusercontent.com',
    issuerHelp: 'That of github.com; an enterprise may have its own.',
    algorithms: ['RS256'],
    recorded: ['repository', 'repository_id', 'run_id', 'run_attempt', 'job_workflow_ref', 'workflow', 'ref', 'sha', 'environment', 'actor', 'event_name'],
    claims: ['repository_id', 'repository_owner_id', 'enterprise_id', 'environment', 'ref', 'job_workflow_ref', 'runner_environment', 'event_name'],
    fixed:
      'GitHub alone decides repository_id, repository_owner_id and enterprise_id: a rule needs one of them. Names, in repository and sub, can be changed and taken by others; ' +
      'job_workflow_ref says which workflow runs, not who called it. Narrow it further with environment and ref.',
  },
  gitlab: {
    label: 'GitLab CI',
    note: 'jobs of a project',
    issuer: null,
    issuerHelp: 'The address of GitLab, as in the claim iss: https://gitlab.com, or your own.',
    algorithms: ['RS256'],
    recorded: ['project_path', 'project_id', 'pipeline_id', 'pipeline_source', 'job_id', 'ref', 'ref_protected', 'sha', 'environment', 'user_login'],
    claims: ['project_id', 'namespace_id', 'ref_protected', 'ref', 'environment', 'pipeline_source'],
    fixed:
      'GitLab alone decides project_id and namespace_id: a rule needs one of them, since paths of projects can be changed and taken by others. ' +
      'Add ref_protected = true: without it any branch that somebody pushes counts.',
  },
  kubernetes: {
    label: 'Kubernetes',
    note: 'pods by their service account',
    issuer: null,
    issuerHelp: 'That of the cluster, as in the claim iss: https://kubernetes.default.svc.cluster.local.',
    algorithms: ['RS256', 'ES256'],
    recorded: ['kubernetes.io/namespace', 'kubernetes.io/pod/name', 'kubernetes.io/pod/uid', 'kubernetes.io/serviceaccount/name'],
    claims: ['sub', 'kubernetes.io/namespace', 'kubernetes.io/serviceaccount/name'],
    fixed:
      'The cluster alone decides sub, system:serviceaccount:NAMESPACE:NAME: a rule needs one service account, or those of one namespace. ' +
      'Whoever can make pods in the namespace can be any of its service accounts.',
  },
  client: {
    label: 'Client with its own key',
    note: 'signs for itself',
    issuer: null,
    issuerHelp: 'Its client id: iss and sub of what it signs.',
    algorithms: ['ES256'],
    recorded: [],
    claims: [],
    fixed:
      'The client proves itself with its private key alone (private_key_jwt, RFC 7523): whoever has the key is the client. Only public keys are stored here.',
  },
  other: {
    label: 'Other issuer',
    note: 'any OpenID provider',
    issuer: null,
    issuerHelp: 'As in the claim iss of its tokens, letter for letter.',
    algorithms: ['RS256', 'ES256'],
    recorded: [],
    claims: ['sub'],
    fixed: 'The rule needs a condition on sub, at least with a fixed beginning: without one, everybody the issuer knows is let in.',
  },
};

export const platformOptions = (Object.keys(platforms) as Platform[]).map((value) => ({ value, label: platforms[value].label, note: platforms[value].note }));
