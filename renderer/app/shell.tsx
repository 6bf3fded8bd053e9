import { CloudOff, ShieldAlert } from 'lucide-react';
import { Suspense, useState, type ReactNode } from 'react';
import { useAppliance, useAppliances } from '../data/outside.tsx';
import { useLink, usePlace } from '../data/place.ts';
import { ButtonLink } from '../kit/button.tsx';
import { Page } from '../kit/page.tsx';
import { ShortcutsHelp } from '../kit/shortcuts.tsx';
import { Empty, Loading } from '../kit/states.tsx';
import { ErrorBoundary } from './error-boundary.tsx';
import { Header } from './header.tsx';
import { Palette } from './palette.tsx';
import { screensFor } from './screens.ts';
import { Sidebar } from './sidebar.tsx';
import { useKeys } from './use-keys.ts';
import { useWitness } from './use-witness.ts';
import styles from './shell.module.css';

/** Header, menu and the screen of the address. `attention`: goes up when the palette is wanted from outside. */
export function Shell({ attention, onAdd }: { attention: number; onAdd: () => void }): ReactNode {
  const { palette, setPalette, help, setHelp } = useOverlays(attention);
  useKeys({ onPalette: () => setPalette(true), onHelp: () => setHelp(true) });
  return (
    <div className={styles['shell']}>
      <Header onPalette={() => setPalette(true)} onHelp={() => setHelp(true)} onAdd={onAdd} />
      <Sidebar />
      <main className={styles['main']}>
        <Alarm />
        <Lost />
        <div className={styles['content']}>
          <CurrentScreen />
        </div>
      </main>
      <Palette open={palette} onClose={() => setPalette(false)} onHelp={() => setHelp(true)} />
      <ShortcutsHelp open={help} onClose={() => setHelp(false)} />
    </div>
  );
}

interface Overlays {
  readonly palette: boolean;
  readonly setPalette: (open: boolean) => void;
  readonly help: boolean;
  readonly setHelp: (open: boolean) => void;
}

function useOverlays(attention: number): Overlays {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const { appliance, screen, path } = usePlace();
  const place = [appliance, screen, ...path].join(' ');
  const [seen, setSeen] = useState({ attention, place });
  if (seen.attention !== attention || seen.place !== place) {
    setSeen({ attention, place });
    // another place: what lay over the last one goes
    setPalette(seen.attention !== attention);
    setHelp(false);
  }
  return { palette, setPalette, help, setHelp };
}

function CurrentScreen(): ReactNode {
  const { screen, appliance } = usePlace();
  const { roles } = useAppliance();
  const link = useLink();
  const entry = screensFor(roles).find(({ id }) => id === screen);
  if (!entry) {
    return (
      <Page title="Not here">
        <Empty title="There is no such screen" actions={<ButtonLink href={link('overview')}>Go to the overview</ButtonLink>}>
          It does not exist, or your roles do not open it.
        </Empty>
      </Page>
    );
  }
  const { Screen } = entry;
  return (
    <ErrorBoundary place={`${appliance} ${screen}`}>
      <Suspense fallback={<div className={styles['loading']}>{<Loading label={entry.title} />}</div>}>
        <Screen key={appliance} />
      </Suspense>
    </ErrorBoundary>
  );
}

/** A log that was rolled back or rewritten: on every screen, until a person dismisses the service. */
function Alarm(): ReactNode {
  const appliances = useAppliances() ?? [];
  const alarms = useWitness().filter(({ state }) => state === 'alarm');
  return alarms.map(({ appliance, detail }) => (
    <div key={appliance} className={styles['alarm']} role="alert">
      <ShieldAlert size={18} aria-hidden />
      <p>
        <strong>The audit log of {appliances.find(({ id }) => id === appliance)?.name ?? appliance} was tampered with.</strong> {detail} Keep this machine as it
        is: it holds the evidence. Tell your auditor now, through another channel.
      </p>
    </div>
  ));
}

/** Signed in, but the live view broke: what is shown may be old. */
function Lost(): ReactNode {
  const { detail } = useAppliance();
  if (detail === '') return null;
  return (
    <div className={styles['lost']} role="status">
      <CloudOff size={15} aria-hidden />
      What is shown may be old: {detail} Trying again by itself.
    </div>
  );
}
