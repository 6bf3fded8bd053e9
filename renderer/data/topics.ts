import type { CallName } from '../../main/contract/bridge.ts';
import type { Topic } from '../../proxy/contract/api-console.ts';

/**
 * What a change of a topic makes stale. Searches of the audit log are left out on purpose: each is itself an event, and reading
 * again at every event would never end.
 */
const staleBy: Partial<Record<CallName, readonly Topic[]>> = {
  status: ['status'],
  doctor: ['status'],
  overview: ['status', 'requests', 'sessions', 'witnesses', 'grants', 'audit'],
  whoAmI: ['users'],
  listRequests: ['requests'],
  showRequest: ['requests'],
  showOwnRequest: ['requests'],
  listGrants: ['grants'],
  listSessions: ['sessions'],
  showSession: ['sessions'],
  listServiceAccounts: ['service-accounts'],
  showServiceAccount: ['service-accounts'],
  listTokens: ['service-accounts'],
  listResources: ['resources'],
  showResource: ['resources'],
  getPolicies: ['policies'],
  listPolicyVersions: ['policies'],
  getPolicyVersion: ['policies'],
  getShadowPolicies: ['policies'],
  listShadowResults: ['policies', 'audit'],
  getMaskingRules: ['masking-rules'],
  maskingLedger: ['masking-rules'],
  listUsers: ['users'],
  listWebhooks: ['webhooks'],
  listWitnesses: ['witnesses'],
  auditCheckpoint: ['audit'],
  listTools: ['tools'],
  listTrustRules: ['trust-rules'],
};

export function isStale(name: string, topics: readonly Topic[]): boolean {
  const by: readonly Topic[] = Object.hasOwn(staleBy, name) ? (staleBy[name as CallName] ?? []) : [];
  return by.some((topic) => topics.includes(topic));
}

const changes: Partial<Record<CallName, readonly Topic[]>> = {
  decideRequest: ['requests', 'grants'],
  revokeRequest: ['requests'],
  reviewBreakGlass: ['grants'],
  revokeGrant: ['grants', 'sessions'],
  createUser: ['users'],
  updateUser: ['users'],
  deleteUser: ['users'],
  inviteUser: ['users'],
  confirmInvitation: ['users'],
  createWebhook: ['webhooks'],
  deleteWebhook: ['webhooks'],
  testWebhook: ['webhooks'],
  createServiceAccount: ['service-accounts'],
  updateServiceAccount: ['service-accounts', 'sessions'],
  deleteServiceAccount: ['service-accounts', 'sessions'],
  createToken: ['service-accounts'],
  revokeToken: ['service-accounts', 'sessions'],
  createResource: ['resources', 'status'],
  updateResource: ['resources'],
  setResourceCredential: ['resources'],
  deleteResource: ['resources', 'sessions', 'tools'],
  testResource: ['tools'],
  decideTool: ['tools'],
  createTrustRule: ['trust-rules'],
  updateTrustRule: ['trust-rules', 'sessions'],
  deleteTrustRule: ['trust-rules', 'sessions'],
  putPolicies: ['policies'],
  putShadowPolicies: ['policies'],
  putMaskingRules: ['masking-rules'],
  killSession: ['sessions'],
  registerWitness: ['witnesses'],
  cosignCheckpoint: ['witnesses'],
  deleteWitness: ['witnesses'],
  restartService: ['status'],
  rotateVault: ['status'],
};

/** What a call of this screen changed: read again at once, without waiting for the service to say so. */
export function changedBy(name: CallName): readonly Topic[] {
  return changes[name] ?? [];
}
