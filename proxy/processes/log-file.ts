import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

const maxBytes = 5 * 1_048_576;
const maxLineChars = 8_192;

/** Lines for operators, 0600; at 5 MiB the file becomes `.1`, which replaces the one before. Never throws: a full disk must not stop the service. */
export class LogFile {
  readonly #path: string;
  #file: number | null = null;
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  line(text: string): void {
    const line = Buffer.from(`${new Date().toISOString()} ${text.slice(0, maxLineChars).replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f]/g, ' ')}\n`);
    try {
      const file = this.#open(line.length);
      writeSync(file, line);
      this.#bytes += line.length;
    } catch {
      this.close();
    }
  }

  close(): void {
    if (this.#file === null) return;
    try {
      closeSync(this.#file);
    } catch {
      // nothing is lost by it
    }
    this.#file = null;
  }

  #open(more: number): number {
    if (this.#file !== null && this.#bytes + more > maxBytes) {
      this.close();
      renameSync(this.#path, `${this.#path}.1`);
    }
    if (this.#file === null) {
      this.#file = openSync(this.#path, 'a', 0o600);
      this.#bytes = fstatSync(this.#file).size;
    }
    return this.#file;
  }
}
