import { expect, test } from 'vitest';
import type { ShellBridge } from '../../main/contract/ipc.ts';
import { takeEnrolmentCode } from './browser.ts';
import { electronBridge } from './electron.ts';
import { fakeBridge } from './fake.ts';
import { httpBridge } from './http.ts';

const shell: ShellBridge = {
  appVersion: '0.1.0',
  invoke: async () => ({ ok: false, error: { code: 'ERR_FORBIDDEN', message: 'No.', hint: 'Ask.' } }),
  listen: () => () => {},
};

function shapeOf(bridge: object): string[] {
  return Object.entries(bridge)
    .flatMap(([name, value]: [string, unknown]) => (typeof value === 'object' && value !== null ? Object.keys(value).map((key) => `${name}.${key}`) : [name]))
    .sort();
}

test('the bridges of the app, of the console and of tests have the same members', () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) } as unknown as Storage;
  const fetch = (): Promise<Response> => Promise.reject(new TypeError('no network'));
  const console = httpBridge({ origin: 'https://127.0.0.1:8443', fetch, appVersion: '0.1.0', storage, enrolmentCode: null });
  const service = ['service.run', 'service.status', 'service.watch'];
  expect(shapeOf(electronBridge(shell))).toEqual(shapeOf(fakeBridge()));
  expect(shapeOf(console)).toEqual(shapeOf(fakeBridge({ service: null })));
  expect(shapeOf(electronBridge(shell)).filter((name) => !service.includes(name))).toEqual(shapeOf(console).filter((name) => name !== 'service'));
});

test('an error of the shell arrives with code, message and hint', async () => {
  await expect(electronBridge(shell).call('here', 'status', {})).rejects.toMatchObject({ code: 'ERR_FORBIDDEN', message: 'No.', hint: 'Ask.' });
});

test('a stream that the shell refuses says so once, and nothing after it was left', async () => {
  const faults: string[] = [];
  const stop = electronBridge(shell).subscribe('here', 'watchChanges', {}, { item: () => {}, fault: (error) => faults.push(error.message) });
  await new Promise((resolve) => setTimeout(resolve, 0));
  stop();
  expect(faults).toEqual(['No.']);
});

test('an enrolment code is taken out of the address, whole or not', () => {
  const replaced: string[] = [];
  const history = { replaceState: (_: unknown, __: string, to: string) => replaced.push(to) } as unknown as History;
  const at = (hash: string): Location => ({ hash, pathname: '/', search: '' }) as Location;
  expect(takeEnrolmentCode(at('#enrol=postern-enrol:abc_-9'), history)).toBe('postern-enrol:abc_-9');
  expect(takeEnrolmentCode(at('#enrol=postern-enrol%3Aabc'), history)).toBe('postern-enrol:abc');
  expect(takeEnrolmentCode(at('#enrol=javascript:1'), history)).toBeNull();
  expect(takeEnrolmentCode(at('#/a/here/overview'), history)).toBeNull();
  expect(replaced).toEqual(['/', '/', '/']);
});
