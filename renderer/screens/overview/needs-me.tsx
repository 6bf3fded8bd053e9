import { CircleCheck, Clock, TriangleAlert, CircleX } from 'lucide-react';
import type { ReactNode } from 'react';
import type { RequestView } from '../../../proxy/contract/api-approvals.ts';
import { useWitness } from '../../app/use-witness.ts';
import { screens } from '../../app/screens.ts';
import { useCall, useCallEverywhere } from '../../data/calls.ts';
import { useAppliance, useAppliances, useMay } from '../../data/outside.tsx';
import { addressOfPlace, useLink } from '../../data/place.ts';
import { ButtonLink } from '../../kit/button.tsx';
import { Section } from '../../kit/page.tsx';
import { relativeTime, useNow } from '../../kit/time.tsx';
import styles from './overview.module.css';

interface Matter {
  readonly id: string;
  readonly tone: 'waiting' | 'warn' | 'bad';
  readonly text: string;
  readonly action: string;
  readonly href: string;
}

const icons = { waiting: Clock, warn: TriangleAlert, bad: CircleX } as const;
const mostRequests = 5;

/** What waits for this person, the worst first. */
export function NeedsMe(): ReactNode {
  const matters = [...useAlarms(), ...useParts(), ...useRequests(), ...useBreakGlass(), ...useTools()];
  return (
    <Section title="Needs you">
      {matters.length === 0 ? (
        <p className={styles['calm']}>
          <CircleCheck size={16} aria-hidden />
          Nothing waits for you.
        </p>
      ) : (
        <ul className={styles['list']}>
          {matters.map(({ id, tone, text, action, href }) => {
            const Icon = icons[tone];
            return (
              <li key={id} className={styles['item']}>
                <Icon size={16} className={styles[tone]} aria-hidden />
                <span className={styles['cut']} title={text}>
                  {text}
                </span>
                {href !== '' && (
                  <ButtonLink small href={href}>
                    {action}
                  </ButtonLink>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </Section>
  );
}

function exists(screen: string): boolean {
  return screens.some(({ id }) => id === screen);
}

function useAlarms(): Matter[] {
  const { id } = useAppliance();
  const link = useLink();
  return useWitness()
    .filter(({ appliance, state }) => appliance === id && state === 'alarm')
    .map(({ detail }) => ({ id: 'alarm', tone: 'bad', text: detail, action: 'Audit', href: exists('audit') ? link('audit') : '' }));
}

function useParts(): Matter[] {
  const mayRead = useMay('administrator', 'auditor');
  const { data } = useCall('status', {}, { enabled: mayRead });
  const link = useLink();
  return (data?.parts ?? [])
    .filter(({ state }) => state !== 'up')
    .map(({ name, state, detail }) => ({
      id: `part ${name}`,
      tone: state === 'down' ? 'bad' : 'warn',
      text: `${name} is ${state}: ${detail}`,
      action: 'Health',
      href: exists('health') ? link('health') : '',
    }));
}

/** Of every service, each named when there are several. */
function useRequests(): Matter[] {
  const now = useNow();
  const many = (useAppliances()?.length ?? 0) > 1;
  const pending = useCallEverywhere('listRequests', { status: 'pending', limit: 100 });
  const all = pending.flatMap(({ appliance, call }) => (call.data?.items ?? []).map((request) => ({ appliance, request })));
  const href = (appliance: string, path: readonly string[]): string =>
    exists('requests') ? `#${addressOfPlace({ appliance, screen: 'requests', path })}` : '';
  const shown = all.slice(0, mostRequests).map(
    ({ appliance, request }): Matter => ({
      id: `${appliance.id} ${request.id}`,
      tone: 'waiting',
      text: `${sentenceOf(request)}${many ? ` on ${appliance.name}` : ''}, expires ${relativeTime(request.canonical.expiresAt, now)}`,
      action: 'Review',
      href: href(appliance.id, [request.id]),
    }),
  );
  const rest = all.length - shown.length;
  const [first] = all;
  if (rest === 0 || first === undefined) return shown;
  return [...shown, { id: 'more', tone: 'waiting', text: `${rest} more requests wait`, action: 'All requests', href: href(first.appliance.id, []) }];
}

function sentenceOf({ canonical: { principal, subject } }: RequestView): string {
  return subject.kind === 'operation' ? `${principal.name} asks to run a command on ${subject.resource}` : `${principal.name} asks to join ${subject.joins}`;
}

function useBreakGlass(): Matter[] {
  const mayRead = useMay('administrator', 'auditor');
  const count = useCall('overview', {}, { enabled: mayRead }).data?.unreviewedBreakGlass ?? 0;
  const link = useLink();
  if (count === 0) return [];
  const text = count === 1 ? 'A break-glass access was not reviewed yet' : `${count} break-glass accesses were not reviewed yet`;
  return [{ id: 'break-glass', tone: 'warn', text, action: 'Review', href: exists('requests') ? link('requests', 'grants') : '' }];
}

const mostTools = 100;

/** What servers offer and nobody agreed to: only an administrator can. */
function useTools(): Matter[] {
  const enabled = useMay('administrator');
  const pins = useCall('listTools', { state: 'quarantined', limit: mostTools }, { enabled }).data?.items ?? [];
  const link = useLink();
  if (pins.length === 0) return [];
  const servers = [...new Set(pins.map(({ resource }) => resource))];
  const count = pins.length === mostTools ? `${mostTools} or more` : String(pins.length);
  const text = `${count} new or changed ${pins.length === 1 ? 'tool' : 'tools'} of ${servers.join(', ')}: nobody can call ${pins.length === 1 ? 'it' : 'them'} yet`;
  return [{ id: 'tools', tone: 'waiting', text, action: 'Look', href: exists('tools') ? link('tools', 'quarantined') : '' }];
}
