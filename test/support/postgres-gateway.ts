import { createServer, type AddressInfo } from 'node:net';
import { createPostgresEngine, type PostgresEngineDeps } from '../../proxy/engines/postgres/index.ts';
import { looseCatalogue, looseClassifier } from './loose-classifier.ts';
import { permissiveGate, type GateOptions, type PermissiveGate } from './permissive-gate.ts';

/** A listener with the real engine and a gate that permits. */
export interface PostgresGateway {
  readonly host: string;
  readonly port: number;
  readonly gate: PermissiveGate;
  readonly serving: Set<Promise<void>>;
  stop(): Promise<void>;
}

export async function startGateway(options: GateOptions, deps: Partial<PostgresEngineDeps> = {}): Promise<PostgresGateway> {
  const engine = createPostgresEngine({ loadCatalogue: looseCatalogue, createClassifier: looseClassifier, ...deps });
  const gate = permissiveGate(options);
  const stopping = new AbortController();
  const serving = new Set<Promise<void>>();
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const served: Promise<void> = engine.serve(socket, gate, stopping.signal).finally(() => serving.delete(served));
    serving.add(served);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address
  return {
    host: '127.0.0.1',
    port,
    gate,
    serving,
    stop: async () => {
      stopping.abort();
      await Promise.all(serving);
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
