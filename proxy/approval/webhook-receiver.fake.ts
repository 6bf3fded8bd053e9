import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly path: string;
}

/** A real HTTP server on the loopback address that keeps what it was sent. `answer`: the status, or what to do with the response. */
export class WebhookReceiver implements AsyncDisposable {
  readonly taken: Taken[] = [];
  answer: (taken: Taken, response: ServerResponse) => number | null = () => 200;
  /** most requests at the same time */
  peak = 0;
  #open = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#open++;
      this.peak = Math.max(this.peak, this.#open);
      response.once('close', () => this.#open--);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const taken = { headers: request.headers, body: Buffer.concat(chunks).toString(), path: request.url ?? '' };
        this.taken.push(taken);
        const status = this.answer(taken, response);
        if (status !== null) response.writeHead(status).end('thank you');
      });
    });
  }

  static async listen(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}/hook`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
