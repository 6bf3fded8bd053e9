import { app, Menu, nativeImage, Tray, type NativeImage } from 'electron';
import type { BadgePort } from '../../ports.ts';
import { drawIcon } from '../../shell/icon.ts';
import { trayText } from '../../shell/menu.ts';

interface TrayActions {
  readonly open: () => void;
  readonly inbox: () => void;
  readonly quit: () => void;
}

/** The sign in the tray: it stays until what waits has been decided. */
export class TrayIcon implements BadgePort {
  readonly #tray: Tray;
  readonly #actions: TrayActions;

  constructor(actions: TrayActions) {
    this.#actions = actions;
    this.#tray = new Tray(picture(false));
    this.#tray.on('click', actions.open);
    this.waiting(0);
  }

  waiting(count: number): void {
    const text = trayText(count);
    this.#tray.setImage(picture(count > 0));
    this.#tray.setToolTip(`Postern: ${text}`);
    const { open, inbox, quit } = this.#actions;
    this.#tray.setContextMenu(
      Menu.buildFromTemplate([
        { label: text, enabled: count > 0, click: inbox },
        { type: 'separator' },
        { label: 'Open Postern', click: open },
        { label: 'Quit', click: quit },
      ]),
    );
    // the dock on macOS and Unity's launcher; elsewhere nothing happens
    app.setBadgeCount(count);
  }

  close(): void {
    this.#tray.destroy();
  }
}

function picture(hasDot: boolean): NativeImage {
  const image = nativeImage.createEmpty();
  for (const scaleFactor of [1, 2]) {
    const { size, pixels } = drawIcon(24 * scaleFactor, hasDot);
    image.addRepresentation({ scaleFactor, width: size, height: size, buffer: premultiplied(pixels) });
  }
  return image;
}

/** Electron's bitmaps: blue, green, red, alpha, multiplied by alpha. */
function premultiplied(pixels: Uint8Array): Buffer {
  const bitmap = Buffer.alloc(pixels.length);
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3] ?? 0;
    const channel = (offset: number): number => Math.round(((pixels[at + offset] ?? 0) * alpha) / 255);
    bitmap.set([channel(2), channel(1), channel(0), alpha], at);
  }
  return bitmap;
}
