import type { Status } from '../../proxy/contract/api-views.ts';
import type { ApplianceView, LocalService } from '../../main/contract/views.ts';
import type { Tone } from '../kit/badge.tsx';

export interface ServiceState {
  readonly word: 'Running' | 'Degraded' | 'Stopped' | 'Starting' | 'Not installed' | 'Version mismatch' | 'Unreachable' | 'Not trusted' | 'Signed out';
  readonly tone: Tone;
  /** one sentence; empty when the word says it all */
  readonly detail: string;
}

interface Known {
  readonly appliance: ApplianceView | null;
  readonly status: Status | undefined;
  /** the service of this machine, when that is the one */
  readonly local: LocalService | null;
}

const ofLocal: Readonly<Record<LocalService['state'], readonly [ServiceState['word'], Tone]>> = {
  running: ['Running', 'good'],
  degraded: ['Degraded', 'warn'],
  stopped: ['Stopped', 'bad'],
  starting: ['Starting', 'wait'],
  'not-installed': ['Not installed', 'quiet'],
  'version-mismatch': ['Version mismatch', 'warn'],
  'untrusted-socket': ['Not trusted', 'bad'],
};

const ofAppliance: Readonly<Record<ApplianceView['state'], readonly [ServiceState['word'], Tone]>> = {
  unknown: ['Signed out', 'quiet'],
  enrolled: ['Signed out', 'quiet'],
  'signed-in': ['Running', 'good'],
  unreachable: ['Unreachable', 'bad'],
  refused: ['Not trusted', 'bad'],
  outdated: ['Version mismatch', 'warn'],
};

/** The one line: what is known nearest to the truth counts; a part that is not up is never hidden by another that is. */
export function serviceState({ appliance, status, local }: Known): ServiceState {
  if (local !== null && local.state !== 'running') {
    const [word, tone] = ofLocal[local.state];
    return { word, tone, detail: local.detail };
  }
  if (appliance === null)
    return local === null ? { word: 'Not installed', tone: 'quiet', detail: '' } : { word: 'Running', tone: 'good', detail: local.detail };
  const [word, tone] = ofAppliance[appliance.state];
  if (appliance.state !== 'signed-in') return { word, tone, detail: appliance.detail };
  // signed in, yet the live view was lost
  if (appliance.detail !== '') return { word: 'Unreachable', tone: 'bad', detail: appliance.detail };
  return status === undefined ? { word, tone, detail: '' } : ofStatus(status);
}

function ofStatus({ state, parts }: Status): ServiceState {
  const troubled = parts.filter((part) => part.state !== 'up').map(({ name, detail }) => `${name}: ${detail}`);
  const detail = troubled.join(' · ');
  if (state === 'up') return { word: 'Running', tone: 'good', detail };
  return { word: 'Degraded', tone: state === 'down' ? 'bad' : 'warn', detail };
}

/** Whether the appliance is the service of this machine. */
export function isHere({ url }: Pick<ApplianceView, 'url'>): boolean {
  try {
    return ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
  } catch {
    return false;
  }
}
