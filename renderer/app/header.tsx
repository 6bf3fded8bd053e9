import { Check, ChevronsUpDown, CircleUserRound, Plus, Search } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button, Header as MenuHeader, Menu, MenuItem, MenuSection, MenuTrigger, Popover, Separator } from 'react-aria-components';
import type { ApplianceView } from '../../main/contract/views.ts';
import { useCall } from '../data/calls.ts';
import { useAppliance, useAppliances, useBridge, useMay } from '../data/outside.tsx';
import { useGo, useLink } from '../data/place.ts';
import { Badge } from '../kit/badge.tsx';
import { cx } from '../kit/css.ts';
import { Key } from '../kit/shortcuts.tsx';
import { Mark } from './brand.tsx';
import { isHere, serviceState } from './service-state.ts';
import { useLocalService } from './use-local-service.ts';
import { useTheme } from './use-theme.ts';
import overlay from '../kit/overlay.module.css';
import styles from './shell.module.css';

interface HeaderProps {
  readonly onPalette: () => void;
  readonly onHelp: () => void;
  readonly onAdd: () => void;
}

export function Header({ onPalette, onHelp, onAdd }: HeaderProps): ReactNode {
  const link = useLink();
  return (
    <header className={styles['header']}>
      <a className={styles['brand']} href={link('overview')}>
        <Mark />
        Postern
      </a>
      <Switcher onAdd={onAdd} />
      <StateLine />
      <span className={styles['spacer']} />
      <Button className={cx(styles['trigger'], styles['find'])} onPress={onPalette}>
        <Search size={14} aria-hidden />
        <span>Go to…</span>
        <Key>{/Mac/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'}</Key>
      </Button>
      <Me onHelp={onHelp} />
    </header>
  );
}

function useServiceState(): ReturnType<typeof serviceState> & { version: string } {
  const appliance = useAppliance();
  const mayRead = useMay('administrator', 'auditor');
  const { data: status } = useCall('status', {}, { enabled: mayRead });
  const local = useLocalService();
  return { ...serviceState({ appliance, status, local: isHere(appliance) ? local : null }), version: status?.version ?? appliance.version ?? '' };
}

function StateLine(): ReactNode {
  const { word, tone, detail, version } = useServiceState();
  const link = useLink();
  return (
    <a className={styles['stateLine']} href={link('overview')} title={detail}>
      <Badge tone={tone}>{word}</Badge>
      <span className={styles['stateText']}>{detail === '' ? version : detail}</span>
    </a>
  );
}

function Switcher({ onAdd }: { onAdd: () => void }): ReactNode {
  const { kind } = useBridge();
  const appliance = useAppliance();
  const appliances = useAppliances() ?? [];
  const go = useGo();
  if (kind === 'http') return <span className={styles['host']}>{appliance.name}</span>;
  return (
    <MenuTrigger>
      <Button className={cx(styles['trigger'])} aria-label={`Service: ${appliance.name}`}>
        <span className={cx(styles['name'], styles['host'])}>{appliance.name}</span>
        <ChevronsUpDown size={13} aria-hidden />
      </Button>
      <Popover className={cx(overlay['popover'])} placement="bottom start">
        <Menu className={cx(overlay['list'])} aria-label="Services" onAction={(id) => (id === '+' ? onAdd() : go('overview', [], String(id)))}>
          {appliances.map((one) => (
            <ApplianceItem key={one.id} appliance={one} current={one.id === appliance.id} />
          ))}
          <Separator className={cx(overlay['separator'])} />
          <MenuItem id="+" className={cx(overlay['option'])}>
            <Plus size={14} aria-hidden />
            Enrol at another service…
          </MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

function ApplianceItem({ appliance, current }: { appliance: ApplianceView; current: boolean }): ReactNode {
  const { word } = serviceState({ appliance, status: undefined, local: null });
  return (
    <MenuItem id={appliance.id} textValue={appliance.name} className={cx(overlay['option'])}>
      <span className={overlay['grow']}>{appliance.name}</span>
      <span className={overlay['note']}>{appliance.state === 'signed-in' ? appliance.user : word}</span>
      {current && <Check size={14} aria-label="shown" />}
    </MenuItem>
  );
}

function Me({ onHelp }: { onHelp: () => void }): ReactNode {
  const bridge = useBridge();
  const { id, user, roles } = useAppliance();
  const { theme, setTheme } = useTheme();
  const act = (key: string): void => {
    if (key === 'help') onHelp();
    // the view says what became of it
    else if (key === 'out') bridge.appliances.signOut(id).catch(() => undefined);
    else if (key === 'system' || key === 'light' || key === 'dark') setTheme(key);
  };
  return (
    <MenuTrigger>
      <Button className={cx(styles['trigger'])} aria-label={`Signed in as ${user}`}>
        <CircleUserRound size={16} aria-hidden />
        <span className={styles['name']}>{user}</span>
      </Button>
      <Popover className={cx(overlay['popover'])} placement="bottom end">
        <Menu className={cx(overlay['list'])} aria-label="You" onAction={(key) => act(String(key))}>
          <MenuSection aria-label="Who you are">
            <MenuHeader className={cx(styles['menuHead'])}>
              <p>{user}</p>
              <p className={styles['muted']}>{roles.join(', ')}</p>
            </MenuHeader>
          </MenuSection>
          <MenuSection selectionMode="single" selectedKeys={[theme]} aria-label="Theme">
            <MenuHeader className={cx(overlay['section'])}>Theme</MenuHeader>
            {themes.map(([key, label]) => (
              <MenuItem key={key} id={key} className={cx(overlay['option'])}>
                <span className={overlay['grow']}>{label}</span>
                {key === theme && <Check size={14} aria-hidden />}
              </MenuItem>
            ))}
          </MenuSection>
          <Separator className={cx(overlay['separator'])} />
          <MenuItem id="help" className={cx(overlay['option'])}>
            <span className={overlay['grow']}>Keyboard</span>
            <Key>?</Key>
          </MenuItem>
          <MenuItem id="out" className={cx(overlay['option'])}>
            Sign out
          </MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

const themes = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
] as const;
