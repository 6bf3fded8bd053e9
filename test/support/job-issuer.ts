import { generateKeyPairSync, randomBytes, type JsonWebKey, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider, { type Signed } from 'oidc-provider';

export type Claims = Readonly<Record<string, unknown>>;

/** What a platform puts into the token of a job; numbers as the platform writes them. */
export const githubJob: Claims = {
  sub: 'repo:acme/shop:environment:production',
  repository: 'acme/shop',
  repository_id: '4711',
  repository_owner: 'acme',
  repository_owner_id: '81',
  run_id: '9000000001',
  run_attempt: '1',
  ref: 'refs/heads/main',
  environment: 'production',
  workflow: 'payments',
  job_workflow_ref: 'acme/shop/.github/workflows/payments.yml@refs/heads/main',
  actor: 'dana',
  event_name: 'push',
  runner_environment: 'self-hosted',
};
export const gitlabJob: Claims = {
  sub: 'project_path:acme/shop:ref_type:branch:ref:main',
  project_path: 'acme/shop',
  project_id: '22',
  namespace_id: '7',
  pipeline_id: '501',
  pipeline_source: 'push',
  job_id: '77001',
  ref: 'main',
  ref_protected: 'true',
  user_login: 'dana',
};

/**
 * oidc-provider in the place of a platform: its discovery, its keys, its signatures. A job's token is an access token of a client of
 * it, in the form the platform gives it.
 */
export class JobIssuer {
  readonly url: string;
  readonly publicKey: KeyObject;
  readonly kid: string;
  readonly #server: Server;
  readonly #secret: string;
  #claims: Claims = {};
  #last: Promise<unknown> = Promise.resolve();

  private constructor(server: Server, url: string) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk: JsonWebKey = privateKey.export({ format: 'jwk' });
    this.kid = 'platform-key';
    this.publicKey = publicKey;
    this.url = url;
    this.#server = server;
    this.#secret = randomBytes(24).toString('hex');
    const provider = new Provider(url, {
      jwks: { keys: [{ ...jwk, kid: this.kid, alg: 'RS256', use: 'sig' }] },
      clients: [{ client_id: 'runner', client_secret: this.#secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context: unknown, audience: string) => ({ scope: '', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
        },
      },
      ttl: { ClientCredentials: 300 },
      formats: {
        customizers: {
          jwt: (_context: unknown, _token: unknown, signed: Signed) => {
            signed.header = { typ: 'JWT' };
            signed.payload = Object.fromEntries(Object.entries({ ...signed.payload, ...this.#claims }).filter(([, value]) => value !== undefined));
          },
        },
      },
    });
    const answer = provider.callback();
    server.on('request', (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', url);
      if (pathname !== '/job-token') {
        answer(request, response);
        return;
      }
      // what a runner of GitHub offers its job
      if (request.headers.authorization !== `Bearer ${this.#secret}`) response.writeHead(401).end();
      else
        void this.mint(searchParams.get('audience') ?? '', githubJob).then((value) => {
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ count: value.length, value }));
        });
    });
  }

  static async start(): Promise<JobIssuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new JobIssuer(server, `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
  }

  /** What the runner of a job has in its environment to get its token with. */
  get runner(): Readonly<Record<string, string>> {
    return { ACTIONS_ID_TOKEN_REQUEST_URL: `${this.url}/job-token?api-version=2`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: this.#secret };
  }

  /** A job's token for `audience`; `claims` replace those of the issuer, undefined removes. */
  mint(audience: string, claims: Claims): Promise<string> {
    const minted = this.#last.then(async () => {
      this.#claims = claims;
      const response = await fetch(`${this.url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`runner:${this.#secret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      });
      const answer = (await response.json()) as { access_token?: string };
      if (answer.access_token === undefined) throw new Error(`the issuer made no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    });
    this.#last = minted.catch(() => undefined);
    return minted;
  }

  async stop(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }
}
