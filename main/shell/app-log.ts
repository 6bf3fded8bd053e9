import { appendFile, mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ClockPort, LogPort } from '../ports.ts';

const maxBytes = 1_048_576;
const maxLineChars = 2_000;

/** The app's own log, for the person who looks for a fault; one older file is kept. Control characters never reach a terminal. */
export class AppLog implements LogPort {
  readonly #path: string;
  readonly #clock: ClockPort;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string, clock: ClockPort) {
    this.#path = path;
    this.#clock = clock;
  }

  line(text: string): void {
    const calm = text.slice(0, maxLineChars).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
    const line = `${new Date(this.#clock.now()).toISOString()} ${calm}\n`;
    // a full disk must not end the app
    this.#last = this.#last.then(() => this.#append(line)).catch(() => undefined);
  }

  async #append(line: string): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > maxBytes) await rename(this.#path, `${this.#path}.1`);
    await appendFile(this.#path, line, { mode: 0o600 });
  }
}
