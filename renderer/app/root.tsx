import { useEffect, useEffectEvent, useState, type ReactNode } from 'react';
import { RouterProvider } from 'react-aria-components';
import type { ApplianceView, Attention } from '../../main/contract/views.ts';
import { useChanges } from '../data/live.ts';
import { ApplianceProvider, AppliancesProvider, useBridge } from '../data/outside.tsx';
import { useGo, usePlace } from '../data/place.ts';
import { Doorway } from './doorway.tsx';
import { Enrol } from './enrol.tsx';
import { Shell } from './shell.tsx';
import { useTheme } from './use-theme.ts';
import { useLocalService } from './use-local-service.ts';
import styles from './doorway.module.css';

/** Which of the three it is: nothing known yet, a door to pass, or the screens. */
export function Root(): ReactNode {
  useTheme();
  const appliances = useKnownAppliances();
  return (
    <AppliancesProvider appliances={appliances}>
      <Rooms appliances={appliances} />
    </AppliancesProvider>
  );
}

function useKnownAppliances(): readonly ApplianceView[] | null {
  const bridge = useBridge();
  const [appliances, setAppliances] = useState<readonly ApplianceView[] | null>(null);
  useEffect(() => {
    let stop: (() => void) | undefined;
    let gone = false;
    const begin = (known: readonly ApplianceView[]): void => {
      if (gone) return;
      setAppliances(known);
      stop = bridge.appliances.watch(setAppliances);
    };
    bridge.appliances.list().then(begin, () => begin([]));
    return () => {
      gone = true;
      stop?.();
    };
  }, [bridge]);
  return appliances;
}

function Rooms({ appliances }: { appliances: readonly ApplianceView[] | null }): ReactNode {
  const go = useGo();
  const [code, setCode] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const attention = useAttention({ onEnrol: setCode });
  useChanges();
  const local = useLocalService();
  const shown = useShown(appliances);
  const leave = (): void => {
    setCode(null);
    setAdding(false);
  };
  if (appliances === null) return <div className={styles['blank']} role="status" aria-label="Loading" />;
  const known = shown === null || shown.state === 'unknown' ? null : shown;
  if (code !== null || adding || known === null) {
    const onEnrolled = (view: ApplianceView): void => {
      leave();
      go('overview', [], view.id);
    };
    // a code that comes while the door is open begins it anew
    return <Enrol key={code ?? ''} code={code} local={local} known={shown} onEnrolled={onEnrolled} {...(known && { onCancel: leave })} />;
  }
  return (
    <ApplianceProvider appliance={known}>
      <RouterProvider navigate={(to) => (window.location.hash = to.replace(/^#/, ''))}>
        {known.state === 'signed-in' ? (
          <Shell attention={attention} onAdd={() => setAdding(true)} />
        ) : (
          <Doorway appliance={known} others={appliances} local={local} onAdd={() => setAdding(true)} />
        )}
      </RouterProvider>
    </ApplianceProvider>
  );
}

/** The service of the address, else one that is signed in; an address without a screen gets one. */
function useShown(appliances: readonly ApplianceView[] | null): ApplianceView | null {
  const { appliance: wanted, screen } = usePlace();
  const go = useGo();
  const all = appliances ?? [];
  const shown = all.find(({ id }) => id === wanted) ?? all.find(({ state }) => state === 'signed-in') ?? all[0] ?? null;
  const strayed = shown?.state === 'signed-in' && (wanted !== shown.id || screen === '');
  const to = strayed ? shown.id : null;
  useEffect(() => {
    if (to !== null) go('overview', [], to);
  }, [go, to]);
  return shown;
}

/** What the shell wants on the screen; the palette is opened by counting up. */
function useAttention({ onEnrol }: { onEnrol: (code: string) => void }): number {
  const bridge = useBridge();
  const go = useGo();
  const [palette, setPalette] = useState(0);
  const act = useEffectEvent((wanted: Attention) => {
    if (wanted.kind === 'request') go('requests', [wanted.request], wanted.appliance);
    else if (wanted.kind === 'enrol') onEnrol(wanted.code);
    else if (wanted.kind === 'palette') setPalette((count) => count + 1);
    else go(wanted.kind === 'inbox' ? 'requests' : 'settings');
  });
  useEffect(() => bridge.attention((wanted) => act(wanted)), [bridge]);
  return palette;
}
