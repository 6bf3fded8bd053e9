import { apiVersions } from '../../contract/api-version.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';

export function serviceHandlers({
  health,
  secrets,
  version,
}: Pick<ControlPorts, 'health' | 'secrets' | 'version'>): Pick<Handlers, 'health' | 'status' | 'doctor' | 'selfScan' | 'rotateVault'> {
  return {
    health: async () => ({ state: (await health.status()).state, version, api: apiVersions }),
    status: () => health.status(),
    doctor: async () => ({ checks: [...(await health.checks())] }),
    selfScan: async ({ needles }, { record, signal }) => {
      await record('audit.read', { affected: 'stores', reason: 'self-scan' });
      return health.selfScan(needles, signal);
    },
    rotateVault: ({ what }, { exclusive, record }) =>
      exclusive(async () => {
        const at = await record('vault.rotated', { affected: 'vault', reason: what });
        return { secrets: await secrets.rotate(at, what) };
      }),
  };
}
