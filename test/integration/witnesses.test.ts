import { createHash, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAppliance, type Appliance } from '../support/appliance.ts';
import { ControlApi, type Answer } from '../support/approval-client.ts';
import { allEvents } from '../support/audit-events.ts';
import { Person } from '../support/person.ts';

interface Witness {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  readonly key: string;
  readonly last: { readonly size: number; readonly at: string; readonly cosignature: string } | null;
}

let appliance: Appliance;
let api: ControlApi;
let ann: string;
let bob: string;

/** The device of somebody: it follows C2SP tlog-cosignature and shares no code with the service. */
class Device {
  readonly name: string;
  readonly key: string;
  readonly publicKey: Buffer;
  readonly privateKey: KeyObject;
  readonly #id: Buffer;
  readonly #pair = generateKeyPairSync('ed25519');

  constructor(name: string) {
    this.name = name;
    this.privateKey = this.#pair.privateKey;
    this.publicKey = Buffer.from(this.#pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
    const typed = Buffer.concat([Buffer.of(4), this.publicKey]);
    this.#id = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4);
    this.key = `${name}+${this.#id.toString('hex')}+${typed.toString('base64')}`;
  }

  register(token: string, service: string): Promise<Answer> {
    const text = `{"name":"${this.name}","publicKey":"${this.publicKey.toString('base64')}","service":"${service}","type":"postern-witness","v":1}`;
    const proof = sign(null, Buffer.from(text), this.privateKey).toString('base64');
    return api.call('POST', '/v1/witnesses', { token, body: { name: this.name, key: this.key, proof } });
  }

  cosigned(checkpoint: string, at = Math.floor(Date.now() / 1_000)): { checkpoint: string; cosignature: string } {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(at));
    const signature = sign(null, this.#message(checkpoint, at), this.privateKey);
    return { checkpoint, cosignature: `— ${this.name} ${Buffer.concat([this.#id, time, signature]).toString('base64')}` };
  }

  /** Whether this device said this of the checkpoint. */
  said(checkpoint: string, cosignature: string): boolean {
    const bytes = Buffer.from(cosignature.split(' ')[2] ?? '', 'base64');
    return verify(null, this.#message(checkpoint, Number(bytes.readBigUInt64BE(4))), this.#pair.publicKey, bytes.subarray(12));
  }

  #message(checkpoint: string, at: number): Buffer {
    return Buffer.from(`cosignature/v1\ntime ${String(at)}\n${checkpoint}`);
  }
}

async function signedIn(name: string): Promise<string> {
  await appliance.json(['user', 'add', name, '--human', `${name}@example.com`, '--group', 'approvers']);
  const { code } = (await appliance.json(['user', 'invite', name])) as { code: string };
  return (await Person.enrol(api, code)).person.signIn();
}

async function head(token = api.admin): Promise<{ text: string; origin: string; size: number }> {
  const { body } = await api.call('GET', '/v1/audit/checkpoint', { token });
  const text = `${(body as { checkpoint: string }).checkpoint.split('\n\n')[0] ?? ''}\n`;
  const [origin = '', size = ''] = text.split('\n');
  return { text, origin, size: Number(size) };
}

const cosign = (id: string, token: string, body: object): Promise<Answer> => api.call('POST', `/v1/witnesses/${id}/cosignatures`, { token, body });
// its exit code says whether all is well, so that the output is read whatever it is
const part = async (): Promise<unknown> => {
  const { out } = await appliance.cli(['--json', 'status']);
  return (JSON.parse(out) as { parts: { name: string }[] }).parts.find(({ name }) => name === 'witness');
};

beforeAll(async () => {
  appliance = await startAppliance();
  api = new ControlApi(appliance);
  ann = await signedIn('ann');
  bob = await signedIn('bob');
}, 180_000);
afterAll(async () => {
  api.close();
  await appliance.remove();
});

describe('a witness', () => {
  const device = new Device('ann-laptop');
  let id = '';

  test('is registered by its user, with proof of its key', async () => {
    const { origin } = await head();
    expect(await part()).toBeUndefined();
    expect((await device.register(api.admin, origin)).status).toBe(403);
    expect((await device.register(ann, 'elsewhere')).status).toBe(422);
    const made = await device.register(ann, origin);
    expect(made).toMatchObject({ status: 200, body: { name: 'ann-laptop', user: 'ann', key: device.key, last: null } });
    id = (made.body as Witness).id;
    expect((await device.register(bob, origin)).status).toBe(409);
    expect(await part()).toMatchObject({ state: 'degraded', detail: 'No witness has cosigned the log yet.' });
  });

  test('cosigns what this log really is, and nothing else', async () => {
    const { text, origin, size } = await head();
    const root = Buffer.alloc(32, 1).toString('base64');
    expect((await cosign(id, ann, device.cosigned(`${origin}\n${String(size)}\n${root}\n`))).status).toBe(422);
    expect((await cosign(id, ann, device.cosigned(text.replace(`${String(size)}\n`, `${String(size - 1)}\n`)))).status).toBe(422);
    expect((await cosign(id, ann, { ...device.cosigned(text), checkpoint: text.replace(origin, 'elsewhere') })).status).toBe(422);
    expect((await cosign(id, ann, new Device('ann-laptop').cosigned(text))).status).toBe(422);
    expect((await cosign(id, ann, device.cosigned(text, Math.floor(Date.now() / 1_000) - 400))).status).toBe(422);
    expect((await cosign(id, bob, device.cosigned(text))).status).toBe(403);
    // the log has grown meanwhile: an earlier head of it is one of this log all the same
    const done = await cosign(id, ann, device.cosigned(text));
    expect(done).toMatchObject({ status: 200, body: { last: { size } } });
    expect((await cosign(id, ann, device.cosigned((await head()).text))).status).toBe(409);
    expect(await part()).toMatchObject({ state: 'up', detail: expect.stringContaining(`ann-laptop cosigned ${String(size)} events`) as string });
    const { last } = done.body as Witness;
    expect(device.said(text, last?.cosignature ?? '')).toBe(true);
    const events = (await allEvents(appliance)).filter(({ header }) => header['code'] === 'checkpoint.cosigned');
    expect(events.map(({ header, body }) => [header['affected'], (JSON.parse(body ?? '') as Witness).last])).toEqual([['witness:ann-laptop', last]]);
  });

  test('is listed for people who read, survives a restart, and is removed by an administrator', async () => {
    await appliance.kill('control');
    const listed = (await appliance.json(['witness', 'list'])) as Witness[];
    expect(listed).toMatchObject([{ id, name: 'ann-laptop', user: 'ann', last: { cosignature: expect.stringContaining('— ann-laptop ') as string } }]);
    const { out } = await appliance.cli(['witness', 'list']);
    expect(out).toContain('ann-laptop');
    expect((await api.call('DELETE', `/v1/witnesses/${id}`, { token: bob })).status).toBe(401);
    expect((await appliance.cli(['witness', 'remove', id])).code).toBe(0);
    expect((await appliance.cli(['witness', 'remove', id])).code).toBe(1);
    expect(await part()).toBeUndefined();
  });
});
