import { createContext, use, type ReactNode } from 'react';
import type { Role } from '../../proxy/contract/api-route.ts';
import { fail } from '../../proxy/contract/errors.ts';
import type { Bridge } from '../../main/contract/bridge.ts';
import type { ApplianceView } from '../../main/contract/views.ts';

const BridgeContext = createContext<Bridge | null>(null);
const AppliancesContext = createContext<readonly ApplianceView[] | null>(null);
const ApplianceContext = createContext<ApplianceView | null>(null);

export function BridgeProvider({ bridge, children }: { bridge: Bridge; children: ReactNode }): ReactNode {
  return <BridgeContext value={bridge}>{children}</BridgeContext>;
}

/** All services known here; `null` until the list was read. */
export function AppliancesProvider({ appliances, children }: { appliances: readonly ApplianceView[] | null; children: ReactNode }): ReactNode {
  return <AppliancesContext value={appliances}>{children}</AppliancesContext>;
}

/** The service that a screen is about. */
export function ApplianceProvider({ appliance, children }: { appliance: ApplianceView; children: ReactNode }): ReactNode {
  return <ApplianceContext value={appliance}>{children}</ApplianceContext>;
}

export function useBridge(): Bridge {
  const bridge = use(BridgeContext);
  if (bridge === null) throw fail('ERR_INTERNAL', { message: 'A screen was drawn without a bridge.' });
  return bridge;
}

export function useAppliances(): readonly ApplianceView[] | null {
  return use(AppliancesContext);
}

export function useAppliance(): ApplianceView {
  const appliance = use(ApplianceContext);
  if (appliance === null) throw fail('ERR_INTERNAL', { message: 'A screen was drawn without an appliance.' });
  return appliance;
}

/** Null outside a service's screens: the shell itself. */
export function useApplianceOrNull(): ApplianceView | null {
  return use(ApplianceContext);
}

/** Whether the signed-in person has one of the roles at this appliance. The service decides again at every call. */
export function useMay(...roles: readonly Role[]): boolean {
  const { roles: held } = useAppliance();
  return roles.some((role) => held.includes(role));
}
