import type { MenuItemConstructorOptions } from 'electron';
import type { Attention } from '../contract/views.ts';

interface MenuActions {
  readonly attend: (wanted: Attention) => void;
  readonly quit: () => void;
}

/** The native menu; what is in it is also on the screens. `hasTools`: from source only. */
export function appMenu(actions: MenuActions, { platform, hasTools }: { platform: string; hasTools: boolean }): MenuItemConstructorOptions[] {
  return platform === 'darwin' ? [ofApp(actions), ofWork(actions, []), edit, view(hasTools)] : [ofWork(actions, own(actions)), edit, view(hasTools)];
}

function own({ attend, quit }: MenuActions): MenuItemConstructorOptions[] {
  return [
    { label: 'Settings…', accelerator: 'CommandOrControl+,', click: () => attend({ kind: 'settings' }) },
    { type: 'separator' },
    { label: 'Quit Postern', accelerator: 'CommandOrControl+Q', click: quit },
  ];
}

function ofApp(actions: MenuActions): MenuItemConstructorOptions {
  return { label: 'Postern', submenu: [{ role: 'about' }, { type: 'separator' }, ...own(actions)] };
}

function ofWork({ attend }: MenuActions, more: readonly MenuItemConstructorOptions[]): MenuItemConstructorOptions {
  return {
    label: 'File',
    submenu: [
      { label: 'Requests', accelerator: 'CommandOrControl+1', click: () => attend({ kind: 'inbox' }) },
      { label: 'Go to…', accelerator: 'CommandOrControl+K', click: () => attend({ kind: 'palette' }) },
      { type: 'separator' },
      { role: 'close', label: 'Close window' },
      ...more,
    ],
  };
}

const edit: MenuItemConstructorOptions = {
  label: 'Edit',
  submenu: [{ role: 'undo' }, { role: 'redo' }, { type: 'separator' }, { role: 'cut' }, { role: 'copy' }, { role: 'paste' }, { role: 'selectAll' }],
};

function view(hasTools: boolean): MenuItemConstructorOptions {
  const tools: MenuItemConstructorOptions[] = hasTools ? [{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }] : [];
  return {
    label: 'View',
    submenu: [{ role: 'zoomIn' }, { role: 'zoomOut' }, { role: 'resetZoom' }, { type: 'separator' }, { role: 'togglefullscreen' }, ...tools],
  };
}

/** What waits, for the tray's menu and tooltip. */
export function trayText(waiting: number): string {
  if (waiting === 0) return 'Nothing waits for you';
  return waiting === 1 ? '1 request waits for you' : `${waiting} requests wait for you`;
}
