import { readFileSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StdioChild } from '../../proxy/engines/mcp/stdio-child.ts';
import type { StdioLaunch } from '../../proxy/engines/mcp/stdio-launch.ts';

const serverFile = fileURLToPath(new URL('./mcp-stdio-server.ts', import.meta.url));
export const parentFile = fileURLToPath(new URL('./mcp-stdio-parent.ts', import.meta.url));

/** The obedient server of mcp-stdio-server.ts, in a sandbox unless told otherwise. */
export function launchOf(more: Partial<StdioLaunch> = {}, limits: Partial<StdioLaunch['limits']> = {}): StdioLaunch {
  return {
    command: process.execPath,
    args: [serverFile],
    environment: {},
    secret: null,
    directory: null,
    integrity: [],
    sandbox: 'required',
    network: false,
    readable: [dirname(serverFile)],
    writable: [],
    limits: { maxMessageBytes: 1024 * 1024, maxStderrLines: 20, memoryMiB: 256, cpuSeconds: null, processes: 64, openFiles: 256, ...limits },
    ...more,
  };
}

/** Tells a child lines and gets its answers, one after the other. */
export class Dialogue {
  readonly #child: StdioChild;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string) => void)[] = [];

  constructor(child: StdioChild) {
    this.#child = child;
    child.receive((line) => {
      const text = Buffer.from(line).toString('utf8');
      const next = this.#waiting.shift();
      if (next) next(text);
      else this.#lines.push(text);
      return true;
    });
  }

  async tell(what: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#child.send(Buffer.from(JSON.stringify(what)));
  }

  /** Rejects when the child ends before it answers. */
  async ask<T = unknown>(what: Readonly<Record<string, unknown>>): Promise<T> {
    await this.tell(what);
    return JSON.parse(await this.next()) as T;
  }

  async next(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    const ended = this.#child.exited.then((exit) => {
      throw new Error(`the server ended: ${JSON.stringify(exit)}`);
    });
    return Promise.race([new Promise<string>((resolve) => this.#waiting.push(resolve)), ended]);
  }
}

/** Processes of this machine whose arguments hold a text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** A duration for `sleep` by which its process is found. */
export function markedSeconds(): string {
  return `3600.${Math.floor(Math.random() * 1e12)
    .toString()
    .padStart(12, '0')}`;
}
