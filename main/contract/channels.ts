/**
 * The names of all that passes between the screens and the shell. The preload script knows these and nothing else; what each carries
 * stands in `ipc.ts`, whose table must have exactly these rows.
 */
export const invokeNames = [
  'appliances.list',
  'appliances.enrol',
  'appliances.sign-in',
  'appliances.sign-out',
  'appliances.forget',
  'call',
  'subscribe',
  'unsubscribe',
  'decide',
  'witness.states',
  'service.status',
  'service.run',
  'settings.get',
  'settings.set',
  'copy',
  'save-text',
  'listening',
] as const;
export type InvokeName = (typeof invokeNames)[number];

/** From the shell to the screens. */
export const notifyNames = ['appliances', 'witness', 'service', 'stream', 'attention'] as const;
export type NotifyName = (typeof notifyNames)[number];

/** Before every name on Electron's channels. */
export const channelPrefix = 'postern:';

/** How the version of the app reaches the preload script: an argument of its process. */
export const versionArgument = '--postern-app-version=';
