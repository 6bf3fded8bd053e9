import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptParameters } from '../../proxy/engines/postgres/server-parameters.ts';
import { parseFirstPacket } from '../../proxy/engines/postgres/server-startup.ts';
import { RawClient, startup } from '../support/postgres-client.ts';
import { startGateway, type PostgresGateway } from '../support/postgres-gateway.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 100_000);
const names = fc.constantFrom('user', 'database', 'options', 'search_path', 'client_encoding', 'replication', 'application_name', '_pq_.x', 'DateStyle');
const parameters = fc.dictionary(fc.oneof(names, fc.string({ maxLength: 20 })), fc.string({ maxLength: 40 }), { maxKeys: 8 });
const valid = parameters.map((given) => startup(given).subarray(4));
const mutated = fc.tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(300)).map(([packet, flips, cut]) => {
  const bytes = Buffer.from(packet);
  for (const [at, byte] of flips) bytes[at % bytes.length] = byte;
  return bytes.subarray(0, Math.max(bytes.length - (cut > 250 ? cut - 250 : 0), 0));
});
const packets = fc.oneof(
  mutated,
  valid,
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
);

describe('the first packet', () => {
  it('is never a fault, whatever it holds', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const parsed = parseFirstPacket(packet);
        if (parsed.kind !== 'startup') return;
        const accepted = acceptParameters(parsed.parameters);
        if (accepted.kind === 'rejected') expect(accepted.message).not.toMatch(/[\0\n]/);
        else for (const [name, value] of accepted.upstream) expect(`${name}${value}`).not.toContain('\0');
      }),
      { numRuns: runs },
    );
  }, 120_000);

  it('allows only known parameters towards the target', () => {
    fc.assert(
      fc.property(parameters, (given) => {
        const accepted = acceptParameters(new Map(Object.entries(given)));
        if (accepted.kind !== 'accepted') return;
        for (const name of accepted.upstream.keys()) expect(['client_encoding', 'search_path', 'DateStyle']).toContain(name);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the listener', () => {
  let gateway: PostgresGateway;

  beforeAll(async () => {
    gateway = await startGateway({ target: { host: '127.0.0.1', port: 1, database: 'x', account: 'x', password: 'x' }, limits: { handshakeTimeoutMs: 300 } });
  });

  afterAll(async () => {
    await gateway.stop();
  });

  it('closes what is no PostgreSQL client and keeps serving', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          packets,
          fc.uint8Array({ minLength: 1, maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
        ),
        async (bytes) => {
          const client = await RawClient.open(gateway.host, gateway.port);
          client.socket.end(bytes);
          await expect.poll(() => client.closed, { interval: 2, timeout: 2000 }).toBe(true);
        },
      ),
      { numRuns: 150 },
    );
    expect(gateway.serving.size).toBe(0);
  }, 60_000);

  it('ends a silent connection at the deadline', async () => {
    const client = await RawClient.open(gateway.host, gateway.port);
    client.send(Buffer.from([0, 0]));
    await expect.poll(() => client.closed, { timeout: 2000 }).toBe(true);
  });

  it('does not wait for a length nobody will send', async () => {
    const client = await RawClient.open(gateway.host, gateway.port);
    client.send(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    const answer = await client.until('E');
    expect(answer[0]?.payload.toString()).toContain('invalid length of startup packet');
  });
});
