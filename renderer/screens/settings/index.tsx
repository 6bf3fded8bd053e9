import type { ReactNode } from 'react';
import { useBridge, useMay } from '../../data/outside.tsx';
import { usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { About } from './about.tsx';
import { Machine } from './machine.tsx';
import { Services } from './services.tsx';
import { Vault } from './vault.tsx';
import { Webhooks } from './webhooks.tsx';
import { Witness } from './witness.tsx';

/** `settings/machine`, `…/services`, `…/witness`, `…/webhooks`, `…/vault`, `…/about`. */
export function Screen(): ReactNode {
  const { path, replace } = usePlace();
  const { kind } = useBridge();
  const mayRead = useMay('administrator', 'auditor');
  const ofService = [
    { id: 'webhooks', label: 'Webhooks', content: <Webhooks /> },
    { id: 'vault', label: 'Vault', content: <Vault /> },
  ];
  return (
    <Page title="Settings" description="Of this machine, and of the service that is shown.">
      <Tabs
        label="Settings"
        selected={path[0] ?? 'machine'}
        onSelect={(tab) => replace(tab)}
        items={[
          { id: 'machine', label: kind === 'http' ? 'This browser' : 'This machine', content: <Machine /> },
          { id: 'services', label: 'Services', content: <Services /> },
          { id: 'witness', label: 'Witness', content: <Witness /> },
          ...(mayRead ? ofService : []),
          { id: 'about', label: 'About', content: <About /> },
        ]}
      />
    </Page>
  );
}
