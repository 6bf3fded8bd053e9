import {
  Activity,
  Bot,
  Database,
  EyeOff,
  FileSearch,
  Inbox,
  LayoutDashboard,
  ScrollText,
  Settings,
  SquareTerminal,
  Workflow,
  Wrench,
  type LucideIcon,
} from 'lucide-react';
import { lazy, type ComponentType } from 'react';
import type { Role } from '../../proxy/contract/api-route.ts';

export interface ScreenEntry {
  /** also its folder, and its part of the address */
  readonly id: string;
  readonly title: string;
  readonly group: 'Work' | 'Things' | 'Evidence' | '';
  readonly icon: LucideIcon;
  /** who finds something there; others do not see it in the menu */
  readonly roles: readonly Role[];
  /** `g`, then this letter */
  readonly key: string;
  readonly Screen: ComponentType;
}

const both = ['administrator', 'auditor'] as const;
const readers = ['administrator', 'auditor', 'approver'] as const;

type Module = Record<'Screen', ComponentType>;
const modules = import.meta.glob<Module>('../screens/*/index.tsx');

const known: readonly Omit<ScreenEntry, 'Screen'>[] = [
  { id: 'overview', title: 'Overview', group: 'Work', icon: LayoutDashboard, roles: readers, key: 'o' },
  { id: 'requests', title: 'Requests', group: 'Work', icon: Inbox, roles: readers, key: 'r' },
  { id: 'sessions', title: 'Sessions', group: 'Work', icon: SquareTerminal, roles: both, key: 's' },
  { id: 'resources', title: 'Resources', group: 'Things', icon: Database, roles: both, key: 'e' },
  { id: 'tools', title: 'Tools', group: 'Things', icon: Wrench, roles: both, key: 't' },
  { id: 'principals', title: 'Principals', group: 'Things', icon: Bot, roles: readers, key: 'p' },
  { id: 'trust', title: 'Workloads', group: 'Things', icon: Workflow, roles: both, key: 'w' },
  { id: 'policies', title: 'Policies', group: 'Things', icon: ScrollText, roles: both, key: 'l' },
  { id: 'masking', title: 'Masking', group: 'Things', icon: EyeOff, roles: both, key: 'm' },
  { id: 'audit', title: 'Audit', group: 'Evidence', icon: FileSearch, roles: both, key: 'a' },
  { id: 'health', title: 'Health', group: 'Evidence', icon: Activity, roles: both, key: 'h' },
  { id: 'settings', title: 'Settings', group: '', icon: Settings, roles: readers, key: ',' },
];

/** Every screen of the build, in the order of the menu. */
export const screens: readonly ScreenEntry[] = known.flatMap((entry) => {
  const load = modules[`../screens/${entry.id}/index.tsx`];
  return load === undefined ? [] : [{ ...entry, Screen: lazy(async () => ({ default: (await load()).Screen })) }];
});

export function screensFor(roles: readonly Role[]): readonly ScreenEntry[] {
  return screens.filter((screen) => screen.roles.some((role) => roles.includes(role)));
}
