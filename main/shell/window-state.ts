import { join } from 'node:path';
import { z } from 'zod';
import type { FilesPort } from '../ports.ts';

const Bounds = z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() });
export type Bounds = z.infer<typeof Bounds>;

const Saved = z.object({ bounds: Bounds, isMaximized: z.boolean() });
export type WindowState = { readonly bounds: Partial<Bounds> & { readonly width: number; readonly height: number }; readonly isMaximized: boolean };

export const minimum = { width: 960, height: 640 } as const;
const usual = { width: 1_280, height: 832 } as const;
// of the title bar, so that it can be caught with the pointer
const reachable = 80;

/** The saved place of the window if a display still shows enough of it, else the middle of the first. */
export function placeOn(saved: WindowState | null, displays: readonly Bounds[]): WindowState {
  const { width, height } = saved?.bounds ?? usual;
  const size = {
    width: between(width, minimum.width, Math.max(minimum.width, ...displays.map((display) => display.width))),
    height: between(height, minimum.height, Math.max(minimum.height, ...displays.map((display) => display.height))),
  };
  const x = saved?.bounds.x;
  const y = saved?.bounds.y;
  const isReachable = x !== undefined && y !== undefined && displays.some((display) => showsTitle(display, { x, y, ...size }));
  return { bounds: isReachable ? { x, y, ...size } : size, isMaximized: saved?.isMaximized ?? false };
}

function showsTitle(display: Bounds, window: Bounds): boolean {
  const overlap = Math.min(display.x + display.width, window.x + window.width) - Math.max(display.x, window.x);
  return overlap >= reachable && window.y >= display.y && window.y <= display.y + display.height - reachable;
}

function between(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

const maxBytes = 4_096;

/** Where the window was; a file that cannot be understood counts as none. */
export class WindowStateFile {
  readonly #path: string;
  readonly #files: FilesPort;

  constructor(dir: string, files: FilesPort) {
    this.#path = join(dir, 'window.json');
    this.#files = files;
  }

  async read(): Promise<WindowState | null> {
    try {
      return Saved.parse(JSON.parse((await this.#files.read(this.#path, maxBytes)) ?? ''));
    } catch {
      return null;
    }
  }

  write(state: WindowState): Promise<void> {
    return this.#files.write(this.#path, `${JSON.stringify(state)}\n`);
  }
}
