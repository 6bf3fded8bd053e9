import type { Server } from 'node:net';
import { asAppError, fail } from '../contract/errors.ts';
import { type Channel, listenUnix } from '../ipc/channel.ts';
import { parseChunk } from './entry.ts';
import { conditionFrame, decodeFrame, durableFrame, type Frame, jsonFrame, welcomeFrame } from './frames.ts';
import type { AuditLog } from './log.ts';
import { answer, assertReader, Request } from './requests.ts';

export interface AuditServerOptions {
  readonly socketPath: string;
  /** opens the log; `lostBefore` is why the last one was lost */
  readonly openLog: (lostBefore?: { reason: string; since: number }) => Promise<AuditLog>;
  readonly verifierKey: string;
  /** shown by readers that may see bodies and reopen a lost log; null: nobody may */
  readonly readerToken: string | null;
  /** how long a restarted log waits for the processes that had something open */
  readonly graceMs?: number;
}

interface Connection {
  readonly channel: Channel;
  client: string | null;
}

const helloDeadlineMs = 5_000;
const maxConnections = 256;

/** The log's socket: takes events, acknowledges what is durable, answers readers. */
export class AuditServer {
  readonly #options: AuditServerOptions;
  #log: AuditLog;
  #server: Server | null = null;
  #reopening: Promise<void> | null = null;
  readonly #connections = new Set<Connection>();
  readonly #clients = new Map<string, Connection>();
  readonly #graces = new Map<string, NodeJS.Timeout>();

  private constructor(options: AuditServerOptions, log: AuditLog) {
    this.#options = options;
    this.#log = log;
    this.#attach(log);
  }

  static async start(options: AuditServerOptions): Promise<AuditServer> {
    const server = new AuditServer(options, await options.openLog());
    server.#server = await listenUnix(options.socketPath, (channel) => {
      server.#accept(channel);
    });
    return server;
  }

  get log(): AuditLog {
    return this.#log;
  }

  /** Takes no more events, then stops the log in order. */
  async stop(): Promise<void> {
    for (const timer of this.#graces.values()) clearTimeout(timer);
    this.#server?.close();
    await this.#reopening?.catch(() => undefined);
    for (const { channel } of this.#connections) {
      channel.onFrame = () => undefined;
    }
    await this.#log.stop();
    for (const { channel } of this.#connections) channel.close();
  }

  #attach(log: AuditLog): void {
    log.keepsClient = (client) => this.#clients.has(client);
    log.onDurable = (client, runs) => {
      this.#clients.get(client)?.channel.send(durableFrame(log.watermark(client), runs));
    };
    log.onCondition = (condition) => {
      for (const { channel } of this.#clients.values()) channel.send(conditionFrame(condition));
    };
    for (const client of log.clientsWithOpen) {
      if (!this.#clients.has(client)) this.#awaitReturn(client);
    }
  }

  #awaitReturn(client: string): void {
    clearTimeout(this.#graces.get(client));
    const timer = setTimeout(() => {
      this.#graces.delete(client);
      this.#closeOpen(client, 'its process did not come back after the log was restarted');
    }, this.#options.graceMs ?? 10_000);
    this.#graces.set(client, timer);
  }

  #closeOpen(client: string, reason: string): void {
    // a failure here means the log is lost: what is open is closed when it is opened again
    void this.#log.closeOpen(client, reason).catch(() => undefined);
  }

  #accept(channel: Channel): void {
    const connection: Connection = { channel, client: null };
    if (this.#connections.size >= maxConnections) {
      channel.destroy();
      return;
    }
    this.#connections.add(connection);
    let deadline: NodeJS.Timeout | null = setTimeout(() => {
      channel.destroy();
    }, helloDeadlineMs);
    channel.onFrame = (payload) => {
      if (deadline !== null) clearTimeout(deadline);
      deadline = null;
      const frame = decodeFrame(payload);
      if (frame === null || !this.#take(connection, frame)) channel.destroy();
    };
    channel.onClose = () => {
      if (deadline !== null) clearTimeout(deadline);
      this.#connections.delete(connection);
      if (connection.client === null || this.#clients.get(connection.client) !== connection) return;
      this.#clients.delete(connection.client);
      this.#closeOpen(connection.client, 'its process was lost');
    };
  }

  /** False: the other side broke the rules. */
  #take(connection: Connection, frame: Frame): boolean {
    switch (frame.kind) {
      case 'hello':
        return connection.client === null && this.#welcome(connection, frame);
      case 'append': {
        if (connection.client === null) return false;
        const chunk = parseChunk(connection.client, frame.entries, frame.bodies);
        return chunk !== null && this.#log.submit(chunk);
      }
      case 'request':
        void this.#respond(connection, frame);
        return true;
      case 'welcome':
      case 'durable':
      case 'condition':
      case 'response':
        return false;
    }
  }

  #welcome(connection: Connection, { client, acked }: { client: string; acked: number }): boolean {
    // `log` is the log's own
    if (!/^[A-Za-z0-9_-]{8,64}$/.test(client)) return false;
    connection.client = client;
    const older = this.#clients.get(client);
    this.#clients.set(client, connection);
    older?.channel.destroy();
    clearTimeout(this.#graces.get(client));
    this.#graces.delete(client);
    connection.channel.send(welcomeFrame(this.#log.condition, this.#log.adopt(client, acked)));
    return true;
  }

  async #respond({ channel }: Connection, { id, json }: { id: number; json: string }): Promise<void> {
    try {
      const request = Request.parse(JSON.parse(json));
      const context = { log: this.#log, verifierKey: this.#options.verifierKey, readerToken: this.#options.readerToken };
      if (request.do === 'reopen') {
        assertReader(context, request.token);
        await this.#reopen();
        channel.send(jsonFrame('response', id, { result: null }));
      } else {
        channel.send(jsonFrame('response', id, { result: await answer(request, context) }));
      }
    } catch (error) {
      const { code, message, detail } = asAppError(error);
      channel.send(jsonFrame('response', id, { error: { code, message, detail } }));
    }
  }

  /** Opens a lost log anew: full recovery from what is on disk. */
  async #reopen(): Promise<void> {
    if (this.#log.condition !== 'lost' && this.#log.condition !== 'closed') throw fail('ERR_CONFLICT', { detail: `the log is ${this.#log.condition}` });
    this.#reopening ??= this.#openAnew().finally(() => {
      this.#reopening = null;
    });
    await this.#reopening;
  }

  async #openAnew(): Promise<void> {
    await this.#log.stop();
    const log = await this.#options.openLog(this.#log.failure ?? undefined);
    this.#log = log;
    this.#attach(log);
    for (const [client, { channel }] of this.#clients) channel.send(welcomeFrame(log.condition, log.watermark(client)));
  }
}
