import type { Mutant } from './mutant.ts';

const deciding = 'main/approvals/deciding.test.ts';
const notifier = 'main/adapters/dbus/notifier.test.ts';
const ipc = 'main/ipc/ipc.test.ts';
const unit = 'main/service/installed-unit.test.ts';
const presenter = 'main/approvals/presenter.test.ts';

const signed = 'a decision is what was shown';
const shell = 'the shell trusts nobody';

/** Faults in the control app: what it signs, whom it listens to, what it shows where anybody can look. */
export const appMutants: readonly Mutant[] = [
  {
    name: 'app: signs what the service shows now, whatever was on the screen',
    invariant: signed,
    file: 'main/approvals/deciding.ts',
    find: `canonical.id !== input.request || digestOfShown(canonical) !== input.shown`,
    replace: `canonical.id !== input.request`,
    killedBy: { file: deciding, test: 'another request than the screen did' },
  },
  {
    name: 'app: decides at a service whose log was rolled back',
    invariant: 'tampering shows',
    file: 'main/approvals/deciding.ts',
    find: `if (why !== null)`,
    replace: `if (why === '')`,
    killedBy: { file: deciding, test: 'rolled back or forked' },
  },
  {
    name: 'app: a denial without a reason',
    invariant: signed,
    file: 'main/approvals/deciding.ts',
    find: `const minReasonChars = 3;`,
    replace: `const minReasonChars = 0;`,
    killedBy: { file: deciding, test: 'to deny needs a reason' },
  },
  {
    name: 'app: clicks on notifications are taken from anybody on the bus',
    invariant: shell,
    file: 'main/adapters/dbus/notifier.ts',
    find: `this.#owner === '' || sender !== this.#owner || of !== name`,
    replace: `this.#owner === '' || sender === '' || of !== name`,
    killedBy: { file: notifier, test: 'take no click from another program' },
  },
  {
    name: 'app: any page may ask the main process',
    invariant: shell,
    file: 'main/ipc/answer.ts',
    find: `if (!isOurs(asked.sender)) throw`,
    replace: `if (asked.name === '') throw`,
    killedBy: { file: ipc },
  },
  {
    name: 'app: a socket of somebody else is the service',
    invariant: shell,
    file: 'main/service/socket-trust.ts',
    find: `if (!owners.has(socket.uid)) return`,
    replace: `if (socket.uid < 0) return`,
    killedBy: { file: unit },
  },
  {
    name: 'app: requests that one may not decide are announced',
    invariant: signed,
    file: 'main/approvals/presenter.ts',
    find: `if (!each.details.may.decide) commands`,
    replace: `if (each.details.may.why === '-') commands`,
    killedBy: { file: presenter, test: 'is not for what this person may not decide' },
  },
];
