import type { ReactNode } from 'react';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import styles from './settings.module.css';

export function About(): ReactNode {
  const { appVersion, kind } = useBridge();
  const { version, name } = useAppliance();
  return (
    <div className={styles['wide']}>
      <Section title="About">
        <Facts
          items={[
            [kind === 'http' ? 'Console' : 'App', `Postern ${appVersion}`],
            ['Service', version === null ? null : `Postern ${version} at ${name}`],
            ['Licence', 'MIT. What it is built from stands, with licences, in docs/dependencies.md.'],
          ]}
        />
      </Section>
    </div>
  );
}
