import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Protocol, Resource } from '../contract/resource.ts';
import type { Engine, Gate } from '../pipeline/engine.ts';

export interface ListenerOptions {
  readonly engine: Engine;
  readonly host: string;
  /** which resources may have ports of their own here */
  readonly protocols: readonly Protocol[];
  readonly gate: (address: string, pinned: string | null) => Gate;
  /** connections at once, over all ports */
  readonly maxConnections: number;
  /** of these, how many may come from one address before the others are refused */
  readonly maxPerAddress: number;
  readonly onFault: (what: string) => void;
}

/** The shared port of one protocol and the ports of single resources, which come and go with the configuration. */
export class Listeners {
  readonly #options: ListenerOptions;
  readonly #servers = new Map<string, { server: Server; port: number }>();
  readonly #perAddress = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  readonly #stopped = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Listens on the shared port; `0` takes a free one. Gives the port in use. */
  async listen(port: number): Promise<number> {
    return this.#open('', port, null);
  }

  /** Opens and closes per-resource ports so that they match the resources. A port that cannot be had is reported, not fatal. */
  async follow(resources: readonly Resource[]): Promise<void> {
    const wanted = new Map<string, number>();
    for (const { name, listenPort, protocol } of resources) if (listenPort !== null && this.#options.protocols.includes(protocol)) wanted.set(name, listenPort);
    for (const [name, { server, port }] of this.#servers) {
      if (name === '' || wanted.get(name) === port) continue;
      this.#servers.delete(name);
      server.close();
    }
    for (const [name, port] of wanted) {
      if (this.#servers.has(name)) continue;
      await this.#open(name, port, name).catch((error: unknown) => {
        this.#options.onFault(`port ${String(port)} of resource ${name}: ${String(error)}`);
      });
    }
  }

  ports(): Record<string, number> {
    return Object.fromEntries([...this.#servers].map(([name, { port }]) => [name === '' ? this.#options.engine.protocol : name, port]));
  }

  get isOpen(): boolean {
    return this.#servers.size > 0;
  }

  /** Accepts nothing more, ends what is live, and waits for it. */
  async close(): Promise<void> {
    for (const { server } of this.#servers.values()) server.close();
    this.#servers.clear();
    this.#stopped.abort();
    await Promise.race([Promise.all(this.#running), new Promise((resolve) => setTimeout(resolve, 5_000).unref())]);
    for (const socket of this.#sockets) socket.destroy();
  }

  async #open(name: string, port: number, pinned: string | null): Promise<number> {
    const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
      this.#accept(socket, pinned);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: this.#options.host, backlog: 1024 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    const bound = (server.address() as AddressInfo).port;
    this.#servers.set(name, { server, port: bound });
    return bound;
  }

  #accept(socket: Socket, pinned: string | null): void {
    const address = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d)/, '');
    const already = this.#perAddress.get(address) ?? 0;
    socket.on('error', () => socket.destroy());
    if (this.#sockets.size >= this.#options.maxConnections || already >= this.#options.maxPerAddress) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#perAddress.set(address, already + 1);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#perAddress.delete(address);
      else this.#perAddress.set(address, left);
    });
    const run = this.#options.engine.serve(socket, this.#options.gate(address, pinned), this.#stopped.signal).catch((error: unknown) => {
      this.#options.onFault(`engine: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      socket.destroy();
    });
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }
}
