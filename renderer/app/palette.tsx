import { CornerDownLeft, Database, Inbox, Keyboard, LogOut, Moon, Search, SquareTerminal, type LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';
import { Autocomplete, Dialog, Header, Input, Menu, MenuItem, MenuSection, Modal, ModalOverlay, SearchField, useFilter } from 'react-aria-components';
import { targetText } from '../../proxy/contract/resource-target.ts';
import { useCall } from '../data/calls.ts';
import { useAppliance, useBridge, useMay } from '../data/outside.tsx';
import { useGo } from '../data/place.ts';
import { cx } from '../kit/css.ts';
import { screens, screensFor } from './screens.ts';
import { useTheme } from './use-theme.ts';
import overlay from '../kit/overlay.module.css';
import styles from './palette.module.css';

interface PaletteProps {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onHelp: () => void;
}

interface Entry {
  readonly id: string;
  readonly label: string;
  readonly note: string;
  readonly icon: LucideIcon;
  readonly act: () => void;
}

interface Group {
  readonly title: string;
  readonly entries: readonly Entry[];
}

/** Ctrl/⌘ K: go anywhere by name. */
export function Palette({ open, onClose, onHelp }: PaletteProps): ReactNode {
  return (
    <ModalOverlay className={cx(overlay['veil'], overlay['center'])} isOpen={open} onOpenChange={(now) => !now && onClose()} isDismissable>
      <Modal className={cx(overlay['modal'], overlay['wide'])}>
        <Dialog className={cx(overlay['dialog'])} aria-label="Go to">
          <Finder onClose={onClose} onHelp={onHelp} />
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Finder({ onClose, onHelp }: Omit<PaletteProps, 'open'>): ReactNode {
  const { contains } = useFilter({ sensitivity: 'base' });
  const groups = useGroups(onHelp);
  const entries = groups.flatMap((group) => group.entries);
  const act = (id: string): void => {
    onClose();
    entries.find((entry) => entry.id === id)?.act();
  };
  return (
    <Autocomplete filter={contains}>
      <SearchField className={cx(styles['search'])} aria-label="Go to" autoFocus>
        <Search size={16} aria-hidden />
        <Input className={cx(styles['input'])} placeholder="Go to a screen, a resource, a session, a request…" />
      </SearchField>
      <Menu
        // it scrolls, and the focus stays in the field: without this nobody reaches its end by keyboard alone
        ref={(menu) => menu?.setAttribute('tabindex', '0')}
        className={cx(styles['menu'])}
        aria-label="Places"
        onAction={(id) => act(String(id))}
        renderEmptyState={() => <p className={styles['none']}>Nothing has this name.</p>}
      >
        {groups.map(({ title, entries: of }) => (
          <MenuSection key={title} id={title}>
            <Header className={cx(overlay['section'])}>{title}</Header>
            {of.map(({ id, label, note, icon: Icon }) => (
              <MenuItem key={id} id={id} textValue={`${label} ${note}`} className={cx(overlay['option'])}>
                <Icon size={15} aria-hidden />
                <span className={overlay['grow']}>{label}</span>
                <span className={overlay['note']}>{note}</span>
                <CornerDownLeft size={12} aria-hidden />
              </MenuItem>
            ))}
          </MenuSection>
        ))}
      </Menu>
    </Autocomplete>
  );
}

function useGroups(onHelp: () => void): readonly Group[] {
  const { roles } = useAppliance();
  const go = useGo();
  const places = screensFor(roles).map(({ id, title, icon }): Entry => ({ id: `screen ${id}`, label: title, note: '', icon, act: () => go(id) }));
  const groups = [
    { title: 'Screens', entries: places },
    { title: 'Waiting requests', entries: useRequests() },
    { title: 'Live sessions', entries: useSessions() },
    { title: 'Resources', entries: useResources() },
  ];
  return [...groups, { title: 'Actions', entries: useActions(onHelp) }].filter(({ entries }) => entries.length > 0);
}

function useRequests(): readonly Entry[] {
  const go = useGo();
  const pending = useCall('listRequests', { status: 'pending', limit: 100 }).data?.items ?? [];
  return pending.slice(0, 50).map(({ id, canonical: { principal, subject } }) => ({
    id,
    label: `${principal.name} → ${subject.kind === 'operation' ? subject.resource : subject.joins}`,
    note: id,
    icon: Inbox,
    act: () => go('requests', [id]),
  }));
}

function useSessions(): readonly Entry[] {
  const go = useGo();
  const enabled = useMay('administrator', 'auditor') && screens.some(({ id }) => id === 'sessions');
  const live = useCall('listSessions', { state: 'live', limit: 50 }, { enabled }).data?.items ?? [];
  return live.map(({ id, principal, resource }) => ({
    id,
    label: `${principal} on ${resource}`,
    note: id,
    icon: SquareTerminal,
    act: () => go('sessions', [id]),
  }));
}

function useResources(): readonly Entry[] {
  const go = useGo();
  const enabled = useMay('administrator', 'auditor') && screens.some(({ id }) => id === 'resources');
  const items = useCall('listResources', { limit: 200 }, { enabled }).data?.items ?? [];
  return items.map((resource) => ({
    id: resource.id,
    label: resource.name,
    note: targetText(resource),
    icon: Database,
    act: () => go('resources', [resource.name]),
  }));
}

function useActions(onHelp: () => void): readonly Entry[] {
  const bridge = useBridge();
  const { id } = useAppliance();
  const { setTheme } = useTheme();
  const isDark = document.documentElement.dataset['theme'] === 'dark';
  return [
    { id: 'theme', label: isDark ? 'Light theme' : 'Dark theme', note: '', icon: Moon, act: () => setTheme(isDark ? 'light' : 'dark') },
    { id: 'help', label: 'Keyboard', note: '?', icon: Keyboard, act: onHelp },
    // the view says what became of it
    { id: 'out', label: 'Sign out', note: '', icon: LogOut, act: () => void bridge.appliances.signOut(id).catch(() => undefined) },
  ];
}
