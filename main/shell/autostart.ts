import { join } from 'node:path';
import type { FilesPort } from '../ports.ts';

/** Launch at login on Linux (XDG Desktop Application Autostart); Electron's own call does not know it. */
export class Autostart {
  readonly #path: string;
  readonly #command: readonly string[];
  readonly #files: FilesPort;

  /** `command`: program and arguments, absolute */
  constructor(configHome: string, command: readonly string[], files: FilesPort) {
    this.#path = join(configHome, 'autostart', 'postern.desktop');
    this.#command = command;
    this.#files = files;
  }

  async set(isWanted: boolean): Promise<void> {
    if (!isWanted) {
      await this.#files.remove(this.#path);
      return;
    }
    const lines = [
      '[Desktop Entry]',
      'Type=Application',
      'Name=Postern',
      'Comment=Announces requests that wait for you',
      `Exec=${[...this.#command, '--hidden'].map(quoted).join(' ')}`,
      'Icon=postern',
      'Terminal=false',
      'X-GNOME-Autostart-enabled=true',
    ];
    await this.#files.write(this.#path, `${lines.join('\n')}\n`);
  }
}

/** Desktop Entry Specification, "The Exec key": quoted, with `"`, backtick, `$` and `\` escaped; twice for the file's own strings; `%` doubled. */
function quoted(argument: string): string {
  const escaped = argument.replaceAll(/["`$\\]/g, (sign) => `\\${sign}`).replaceAll('\\', '\\\\');
  return `"${escaped.replaceAll('%', '%%').replaceAll('\n', ' ')}"`;
}
