import { discoverOAuthServerInfo } from '@modelcontextprotocol/client';
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { z } from 'zod';
import { serveEverything, type RunningFixture } from '../fixtures/mcp/everything-http.ts';
import type { Found } from '../support/debian-packages.ts';
import { actingConformance, clientConformance, type ClientConformance } from '../support/mcp-conformance.ts';
import { sdk2 } from '../support/mcp-clients.ts';
import { overHttp, startMcpService, type McpService } from '../support/mcp-service.ts';
import { run } from '../support/program.ts';
import { skipBecause } from '../support/skip.ts';
import { thirdParty, type ThirdParty } from '../support/third-party.ts';

const caller = join(import.meta.dirname, '../fixtures/mcp/machine-caller.ts');
const scenarios = { 'auth/wif-jwt-bearer': 'wif-assertion-verified', 'auth/client-credentials-jwt': 'client-credentials-jwt-verified' } as const;

let kit: Found<ThirdParty>;
beforeAll(async () => {
  kit = await thirdParty('mcp');
});

function kitOf(context: TestContext): ThirdParty {
  if (kit.found === undefined) skipBecause(context, kit.why);
  return kit.found;
}

/** Every check that counts is good, and the two that matter are there. */
function passed({ checks, said }: ClientConformance, proof: string): void {
  const counted = checks.filter(({ status }) => status !== 'INFO');
  expect(
    counted.filter(({ status }) => status !== 'SUCCESS'),
    said,
  ).toEqual([]);
  expect(
    counted.map(({ id }) => id),
    said,
  ).toEqual(expect.arrayContaining([proof, 'valid-bearer-token']));
}

describe('the caller of these tests', () => {
  it.for(Object.entries(scenarios))('logs in as the client scenario %s of the official suite asks', async ([scenario, proof], context) => {
    passed(await clientConformance(kitOf(context), scenario, `${process.execPath} ${caller}`), proof);
  });
});

describe('the service as authorization server', () => {
  let fixture: RunningFixture;
  let service: McpService;
  let keys: { readonly privateKey: CryptoKey; readonly jwks: string };
  beforeAll(async () => {
    [fixture, service] = await Promise.all([serveEverything(), startMcpService()]);
    await service.add('tools', overHttp(fixture.url));
    await service.agree('tools');
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    keys = { privateKey, jwks: JSON.stringify({ keys: [jwk] }) };
    await trust('workload', 'https://idp.example', 'other');
    await trust('machine', 'machine-client', 'client');
  });
  afterAll(async () => {
    await service.stop();
    await fixture.close();
  });

  async function trust(name: string, issuer: string, platform: string): Promise<void> {
    const conditions = [{ claim: 'sub', test: { is: 'one-of', values: ['conformance-workload', 'machine-client'] } }];
    const rest = { recorded: [], resources: ['tools'], networks: [], tokenSeconds: 300, disabled: false };
    await service.api('POST', '/v1/trust-rules', {
      ...{ name, issuer, platform, keys: { from: 'uploaded', jwks: keys.jwks }, algorithms: ['ES256'], conditions, serviceAccount: 'agent' },
      ...rest,
    });
  }

  const called = (scenario: keyof typeof scenarios, knows: object): ReturnType<typeof run> => {
    const { url, caFile } = service.place('tools');
    const environment = { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: JSON.stringify(knows), NODE_EXTRA_CA_CERTS: caFile };
    return run(process.execPath, [caller, url], environment);
  };

  const assertion = (audience: string, expires: string): Promise<string> =>
    new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'one' })
      .setIssuer('https://idp.example')
      .setSubject('conformance-workload')
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(keys.privateKey);

  it('gives the same caller a token for the token of its platform, and takes no other', async () => {
    const ours = new URL(service.place('tools').url).origin;
    const knows = async (audience: string, expires: string) => ({ client_id: 'workload', valid_jwt: await assertion(audience, expires) });
    expect(await called('auth/wif-jwt-bearer', await knows(ours, '5m'))).toMatchObject({ code: 0 });
    for (const wrong of [await knows('https://wrong.example', '5m'), await knows(ours, '-90s')]) {
      const { code, err } = await called('auth/wif-jwt-bearer', wrong);
      expect(code).not.toBe(0);
      expect(err).toContain('invalid_grant');
    }
  });

  it('gives the same caller a token for an assertion of its own key', async () => {
    const private_key_pem = await exportPKCS8(keys.privateKey);
    const knows = { client_id: 'machine-client', private_key_pem, signing_algorithm: 'ES256' };
    expect(await called('auth/client-credentials-jwt', knows)).toMatchObject({ code: 0 });
    const stranger = await generateKeyPair('ES256', { extractable: true });
    expect((await called('auth/client-credentials-jwt', { ...knows, private_key_pem: await exportPKCS8(stranger.privateKey) })).code).not.toBe(0);
  });
});

describe('the service as client of a protected MCP server', () => {
  let service: McpService;
  beforeAll(async () => {
    service = await startMcpService();
  });
  afterAll(() => service.stop());

  it('logs in as the client scenario auth/client-credentials-jwt asks, with a key from the vault', async (context) => {
    const Keys = z.object({ client_id: z.string(), private_key_pem: z.string() });
    const result = await actingConformance(kitOf(context), 'auth/client-credentials-jwt', async (url, given) => {
      const { client_id: clientId, private_key_pem: password } = Keys.parse(given);
      // what an administrator reads in the server's documentation
      const { authorizationServerMetadata } = await discoverOAuthServerInfo(url);
      const tokenUrl = authorizationServerMetadata?.token_endpoint;
      const credential = { type: 'oauth-client-credentials', tokenUrl, clientId, authentication: 'private_key_jwt', scope: '', resource: url };
      await service.add('protected', { ...overHttp(url), credential }, { password });
      const tools = await service.agree('protected');
      const user = await sdk2(service.place('protected'), 'auto');
      await user.call(tools.find((name) => name !== '') ?? '', {}).finally(() => user.close());
    });
    passed(result, scenarios['auth/client-credentials-jwt']);
  });
});
