import type { ReactNode } from 'react';
import type { LocalService } from '../../../main/contract/views.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { isHere, serviceState } from '../../app/service-state.ts';
import { LastLines, ServiceButtons, useServiceActions } from '../../app/local-service.tsx';
import { screens } from '../../app/screens.ts';
import { useLocalService } from '../../app/use-local-service.ts';
import { useCall } from '../../data/calls.ts';
import { useAppliance, useBridge, useMay } from '../../data/outside.tsx';
import { useLink } from '../../data/place.ts';
import { Badge } from '../../kit/badge.tsx';
import { ButtonLink } from '../../kit/button.tsx';
import { Fault } from '../../kit/states.tsx';
import { relativeTime, useNow } from '../../kit/time.tsx';
import { cx } from '../../kit/css.ts';
import styles from './overview.module.css';

/** One line on the service, with the one action that fits. */
export function StateLine(): ReactNode {
  const bridge = useBridge();
  const appliance = useAppliance();
  const mayRead = useMay('administrator', 'auditor');
  const { data: status } = useCall('status', {}, { enabled: mayRead });
  const known = useLocalService();
  const local = isHere(appliance) ? known : null;
  const actions = useServiceActions();
  const { word, tone, detail } = serviceState({ appliance, status, local });
  return (
    <section className={styles['state']} aria-label="Service">
      <Badge tone={tone}>{word}</Badge>
      <Versions app={bridge.appVersion} service={status?.version ?? appliance.version} />
      <Uptime since={local?.startedAt ?? status?.startedAt ?? null} />
      <Socket local={local} />
      <span className={styles['grow']} />
      <span className={styles['actions']}>
        {local && <ServiceButtons service={local} actions={actions} />}
        {mayRead && <HealthLink />}
      </span>
      {detail !== '' && <p className={cx(styles['wide'], styles['muted'])}>{detail}</p>}
      <Trouble local={local} fault={actions.fault} />
    </section>
  );
}

function Socket({ local }: { local: LocalService | null }): ReactNode {
  return local?.socket ? <code className={styles['muted']}>{local.socket}</code> : null;
}

function HealthLink(): ReactNode {
  const link = useLink();
  if (!screens.some(({ id }) => id === 'health')) return null;
  return (
    <ButtonLink small href={link('health')}>
      Health
    </ButtonLink>
  );
}

function Trouble({ local, fault }: { local: LocalService | null; fault: AppError | null }): ReactNode {
  const lines = local !== null && local.state !== 'running' && local.lastLines.length > 0;
  if (fault === null && !lines) return null;
  return (
    <div className={styles['wide']}>
      {fault && <Fault of={fault} />}
      {lines && <LastLines service={local} />}
    </div>
  );
}

function Versions({ app, service }: { app: string; service: string | null }): ReactNode {
  if (service === null) return null;
  return <span>{app === service ? `Version ${service}` : `Service ${service} · app ${app}`}</span>;
}

function Uptime({ since }: { since: string | null }): ReactNode {
  const now = useNow();
  if (since === null) return null;
  return <span className={styles['muted']}>started {relativeTime(since, now)}</span>;
}
