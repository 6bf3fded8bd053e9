import { configure, permitAll, startAppliance, type Appliance } from './appliance.ts';
import { RawClient, rows, query, type Login } from './postgres-client.ts';
import { startPostgres, type PostgresServer } from './postgres-server.ts';

/** The service with one principal, `ci`, and one resource, `bank`, on a PostgreSQL of its own. */
export interface Service {
  readonly server: PostgresServer;
  readonly appliance: Appliance;
  readonly token: string;
  /** as the principal, through the service */
  readonly through: Login;
  /** as the superuser of the target, past the service */
  direct(database?: string): Login;
  stop(): Promise<void>;
}

export async function startService(options: { settings?: readonly string[]; policies?: string } = {}): Promise<Service> {
  const [server, appliance] = await Promise.all([startPostgres({ settings: options.settings ?? [] }), startAppliance()]);
  const { host, port, user, password } = server;
  const token = await configure(appliance, {
    principal: 'ci',
    resource: 'bank',
    target: { host, port, user, password, database: 'postgres' },
    policies: options.policies ?? permitAll,
  });
  return {
    server,
    appliance,
    token,
    through: { host: '127.0.0.1', port: appliance.port, user: 'ci', password: token, database: 'bank' },
    direct: (database = 'postgres') => ({ host, port, user, password, database }),
    stop: async () => {
      await appliance.remove();
      await server.stop();
    },
  };
}

/** Looks at the target past the service. */
export class Observer {
  readonly #client: RawClient;

  private constructor(client: RawClient) {
    this.#client = client;
  }

  static async open(login: Login): Promise<Observer> {
    return new Observer(await RawClient.login(login));
  }

  /** Rows of one statement; throws when it fails. */
  async rows(sql: string): Promise<(string | null)[][]> {
    const frames = await this.#client.ask(query(sql));
    const error = frames.find(({ type }) => type === 'E');
    if (error !== undefined) throw new Error(error.payload.toString('utf8'));
    return rows(frames);
  }

  async value(sql: string): Promise<string | null> {
    return (await this.rows(sql))[0]?.[0] ?? null;
  }

  /** `idle`, `active`, `idle in transaction`, `idle in transaction (aborted)`; null: the backend is gone */
  state(pid: string): Promise<string | null> {
    return this.value(`select state from pg_stat_activity where pid = ${pid}`);
  }

  end(): void {
    this.#client.end();
  }
}

/** The process at the target that serves this client. */
export async function backendOf(client: RawClient): Promise<string> {
  return rows(await client.ask(query('select pg_backend_pid()')))[0]?.[0] ?? '';
}
