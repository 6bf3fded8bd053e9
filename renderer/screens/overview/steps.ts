import { useQueryClient } from '@tanstack/react-query';
import type { CallName } from '../../../main/contract/bridge.ts';
import { targetText } from '../../../proxy/contract/resource-target.ts';
import { useCall } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';

export interface Step {
  readonly id: string;
  readonly title: string;
  /** what is so, or what is missing */
  readonly text: string;
  /** null: not known yet */
  readonly done: boolean | null;
  /** where it is done; empty: nowhere in here */
  readonly screen: string;
  readonly path: readonly string[];
  readonly action: string;
  /** asks the service again */
  readonly read: () => Promise<void>;
  /** to be tried by a login at it; null: reading is enough */
  readonly resource: string | null;
}

type Told = Pick<Step, 'done' | 'text'> & Partial<Pick<Step, 'resource'>>;

/** The way from an empty service to the first recorded session. */
export function useSteps(): readonly Step[] {
  const client = useQueryClient();
  const { id } = useAppliance();
  const read = (name: CallName) => (): Promise<void> => client.refetchQueries({ queryKey: [id, name] });
  const nowhere = { screen: '', path: [], action: '', resource: null };
  return [
    { id: 'service', title: 'The service runs', ...nowhere, screen: 'health', action: 'Health', ...useServiceStep(), read: read('status') },
    { id: 'person', title: 'An administrator signs in with a key', ...nowhere, ...usePersonStep(), read: read('whoAmI') },
    { id: 'vault', title: 'The vault is open', ...nowhere, screen: 'health', action: 'Health', ...useVaultStep(), read: read('status') },
    {
      id: 'resource',
      title: 'A first resource',
      ...nowhere,
      screen: 'resources',
      path: ['~add'],
      action: 'Add resource',
      ...useResourceStep(),
      read: read('listResources'),
    },
    {
      id: 'approver',
      title: 'A first approver besides you',
      ...nowhere,
      screen: 'principals',
      path: ['people', '~add'],
      action: 'Invite',
      ...useApproverStep(),
      read: read('listUsers'),
    },
    {
      id: 'session',
      title: 'A first recorded session',
      ...nowhere,
      screen: 'principals',
      action: 'Create a token',
      ...useSessionStep(),
      read: read('listSessions'),
    },
  ];
}

function useServiceStep(): Told {
  const { data } = useCall('status', {});
  if (!data) return { done: null, text: '' };
  const troubled = data.parts.filter(({ state }) => state === 'down').map(({ name }) => name);
  return {
    done: data.state !== 'down',
    text: troubled.length === 0 ? `Version ${data.version}, ${data.parts.length} parts answer.` : `Down: ${troubled.join(', ')}.`,
  };
}

function usePersonStep(): Told {
  const { kind } = useBridge();
  const { data } = useCall('whoAmI', {});
  if (!data) return { done: null, text: '' };
  const done = (data.user?.key ?? null) !== null && data.roles.includes('administrator');
  const where = kind === 'http' ? 'in this browser' : 'on this machine';
  return { done, text: done ? `You are ${data.name}; the key lies ${where}.` : 'Open the set-up link that the service printed.' };
}

function useVaultStep(): Told {
  const { data } = useCall('status', {});
  if (!data) return { done: null, text: '' };
  const vault = data.parts.find(({ name }) => name === 'vault');
  return { done: vault?.state === 'up', text: vault?.detail ?? 'The service does not tell of its vault.' };
}

function useResourceStep(): Told {
  const { data } = useCall('listResources', { limit: 1 });
  if (!data) return { done: null, text: '' };
  const [first] = data.items;
  if (!first) return { done: false, text: 'A database, its account and its password, which goes into the vault.' };
  return { done: true, text: `${first.name} at ${targetText(first)}. Verify logs in there.`, resource: first.name };
}

function useApproverStep(): Told {
  const { user } = useAppliance();
  const { data } = useCall('listUsers', { limit: 1_000 });
  if (!data) return { done: null, text: '' };
  const others = data.items.filter(({ name, groups, disabled }) => name !== user && groups.length > 0 && !disabled);
  const enrolled = others.filter(({ key }) => key !== null);
  if (enrolled.length > 0)
    return {
      done: true,
      text: `${enrolled
        .map(({ name }) => name)
        .slice(0, 3)
        .join(', ')} can decide.`,
    };
  return {
    done: false,
    text: others.length > 0 ? `${others[0]?.name ?? ''} is invited and has no key yet.` : 'Nobody decides on their own requests: it takes a second person.',
  };
}

function useSessionStep(): Told {
  const { data } = useCall('listSessions', { limit: 1 });
  if (!data) return { done: null, text: '' };
  const [last] = data.items;
  return last
    ? { done: true, text: `${last.principal} on ${last.resource}, recorded.` }
    : { done: false, text: 'Connect with a token of a service account, for example with psql.' };
}
