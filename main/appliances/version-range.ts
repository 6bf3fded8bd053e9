import type { Output } from '../../proxy/contract/api.ts';

/** The versions of the control API that this app speaks. */
const spoken = { oldest: 1, newest: 1 } as const;

/** Who must be updated, as one sentence; null: both speak a common version. A service that names no versions speaks the first. */
export function whoIsOutdated(health: Partial<Output<'health'>>): string | null {
  const { oldest, newest } = health.api ?? { oldest: 1, newest: 1 };
  const version = health.version === undefined ? '' : ` (version ${health.version})`;
  if (newest < spoken.oldest) return `The service${version} is too old for this app: update the service.`;
  if (oldest > spoken.newest) return `This app is too old for the service${version}: update the app.`;
  return null;
}
