import type { ReactNode } from 'react';
import type { AppSettings } from '../../../main/contract/views.ts';
import { useTheme } from '../../app/use-theme.ts';
import { useBridge } from '../../data/outside.tsx';
import { Switch } from '../../kit/field.tsx';
import { Section } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault, Loading } from '../../kit/states.tsx';
import { useSettings, type Settings } from './use-settings.ts';
import styles from './settings.module.css';

const themes = [
  { value: 'system', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
] as const;
const notifications = [
  { value: 'all', label: 'All' },
  { value: 'quiet', label: 'Quiet' },
  { value: 'off', label: 'Off' },
] as const;
const notificationWords: Readonly<Record<AppSettings['notifications'], string>> = {
  all: 'Each request that waits for you is announced.',
  quiet: 'One quiet notice says how many wait.',
  off: 'Only the badge counts what waits. Requests expire all the same.',
};

/** What a person chooses for this machine; the desktop app has more to choose than the console. */
export function Machine(): ReactNode {
  const { service } = useBridge();
  const { theme, setTheme } = useTheme();
  return (
    <div className={styles['narrow']}>
      <Section title="Look">
        <Select label="Theme" value={theme} onChange={setTheme} options={themes} />
      </Section>
      {service !== null && <Desktop />}
    </div>
  );
}

function Desktop(): ReactNode {
  const { settings, set, fault } = useSettings();
  return (
    <Section title="App">
      {fault && <Fault of={fault} />}
      {settings ? <DesktopFields settings={settings} set={set} /> : fault === null && <Loading lines={3} />}
    </Section>
  );
}

function DesktopFields({ settings: { notifications: chosen, closeToTray, launchAtLogin }, set }: { settings: AppSettings; set: Settings['set'] }): ReactNode {
  return (
    <>
      <Select
        label="Notifications"
        value={chosen}
        onChange={(value) => set({ notifications: value })}
        options={notifications}
        help={notificationWords[chosen]}
      />
      <div className={styles['switches']}>
        <Switch
          checked={closeToTray === true}
          onChange={(on) => set({ closeToTray: on })}
          help={
            closeToTray === null
              ? 'You are asked at the first time. Kept in the tray, the app goes on announcing requests.'
              : 'Kept in the tray, the app goes on announcing requests. Sessions do not depend on it.'
          }
        >
          Keep running in the tray when the window is closed
        </Switch>
        <Switch checked={launchAtLogin} onChange={(on) => set({ launchAtLogin: on })} help="It starts in the tray, and announces requests from then on.">
          Start when I log in
        </Switch>
      </div>
    </>
  );
}
