import { app, shell, type Session, type WebContents } from 'electron';
import { appOrigin } from '../../shell/screens.ts';
import { mayOpen } from '../../shell/external-links.ts';

/** No permission, no device, no network: the screens reach the shell and nothing else. `hasTools`: the developer tools load their own pages. */
export function guardSession(session: Session, hasTools: boolean): void {
  session.setPermissionRequestHandler((_contents, _permission, decide) => {
    decide(false);
  });
  session.setPermissionCheckHandler(() => false);
  session.setDevicePermissionHandler(() => false);
  session.setUSBProtectedClassesHandler(() => []);
  session.setBluetoothPairingHandler((_details, decide) => {
    decide({ confirmed: false });
  });
  session.setDisplayMediaRequestHandler((_request, decide) => {
    // no source: refused
    decide({});
  });
  for (const event of ['select-usb-device', 'select-hid-device', 'select-serial-port'] as const) refuse(session, event);
  session.on('will-download', (event) => {
    event.preventDefault();
  });
  session.webRequest.onBeforeRequest((details, decide) => {
    const isOurs = details.url.startsWith(`${appOrigin}/`) || (hasTools && details.url.startsWith('devtools://'));
    decide({ cancel: !isOurs });
  });
}

/** Electron asks by an event and a callback; called without a choice it refuses. */
function refuse(session: Session, event: string): void {
  const events: NodeJS.EventEmitter = session;
  events.on(event, (asked: { preventDefault(): void }, ...rest: unknown[]) => {
    asked.preventDefault();
    const decide = rest.at(-1);
    if (typeof decide === 'function') (decide as (choice: string) => void)('');
  });
}

/** For every page there ever is, also those that nobody meant to open. */
export function guardPages(): void {
  app.on('web-contents-created', (_event, contents) => {
    guardPage(contents);
  });
}

function guardPage(contents: WebContents): void {
  const stay = (event: { preventDefault(): void; url: string }): void => {
    // the screens have one page: a reload is the only way to go
    if (event.url !== `${appOrigin}/` && !event.url.startsWith(`${appOrigin}/#`)) event.preventDefault();
  };
  contents.on('will-navigate', stay);
  contents.on('will-frame-navigate', stay);
  contents.on('will-redirect', stay);
  contents.on('will-attach-webview', (event) => {
    event.preventDefault();
  });
  contents.setWindowOpenHandler(({ url }) => {
    if (mayOpen(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
}
