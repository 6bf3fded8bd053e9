import { describe, expect, it } from 'vitest';
import { creationOf, emptyForm, endsSessions, faultyStep, formFaults, formOf, servedFaults, settingsOf, stepFaults } from './resource-form.ts';

const filled = { ...emptyForm, name: 'payments', host: 'db.internal', database: 'shop', account: 'app', password: 'correct horse' };
const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';

describe('the form of a resource', () => {
  it('needs a name, a host, a database, an account and a password', () => {
    expect(Object.keys(formFaults(emptyForm, true)).sort()).toEqual(['account', 'database', 'host', 'name', 'password']);
    expect(formFaults(filled, true)).toEqual({});
  });

  it('needs neither name nor password to be changed', () => {
    expect(formFaults({ ...filled, name: '', password: '' }, false)).toEqual({});
  });

  it.each([
    ['name', 'Payments'],
    ['port', '0'],
    ['port', '65536'],
    ['port', '1e3'],
    ['listenPort', '-1'],
    ['recordKib', '1048577'],
    ['recordKib', 'all'],
    ['ca', 'not a certificate'],
  ])('finds fault with %s %s', (field, value) => {
    expect(Object.keys(formFaults({ ...filled, [field]: value }, true))).toEqual([field]);
  });

  it('takes no private key for a certificate', () => {
    expect(formFaults({ ...filled, ca: `${pem}\n-----BEGIN PRIVATE KEY-----` }, true).ca).toContain('private key');
    expect(formFaults({ ...filled, ca: pem }, true)).toEqual({});
  });

  it('does not look at an authority that is not used', () => {
    expect(formFaults({ ...filled, tlsMode: 'disable', ca: 'nonsense' }, true)).toEqual({});
  });

  it('names the first step in which something is wrong', () => {
    const faults = formFaults({ ...filled, account: '', recordKib: '' }, true);
    expect(faultyStep(faults)).toBe('account');
    expect(Object.keys(stepFaults('account', faults))).toEqual(['account']);
    expect(faultyStep({})).toBeNull();
  });

  it('puts the faults of the service beside their fields', () => {
    expect(
      servedFaults([
        { path: 'tls.ca', message: 'a' },
        { path: 'host', message: 'b' },
        { path: 'elsewhere', message: 'c' },
      ]),
    ).toEqual({ ca: 'a', host: 'b' });
  });

  it('says what is created', () => {
    expect(creationOf({ ...filled, host: ' db.internal ', ca: pem, serverName: 'db', listenPort: '15433', recordKib: '0.5' })).toEqual({
      name: 'payments',
      protocol: 'postgres',
      host: 'db.internal',
      port: 5_432,
      database: 'shop',
      account: 'app',
      tls: { mode: 'verify-full', ca: `${pem}\n`, serverName: 'db' },
      listenPort: 15_433,
      recording: { maxBytesPerOperation: 512 },
      password: 'correct horse',
    });
  });

  it('comes back as it was read', () => {
    const resource = { id: 'res_a', name: 'payments', protocol: 'postgres', createdAt: '2026-01-01T00:00:00Z', ...settingsOf(filled) } as const;
    expect(settingsOf(formOf(resource))).toEqual(settingsOf(filled));
  });

  it('knows which changes end sessions', () => {
    expect(endsSessions(filled, { ...filled, recordKib: '1', database: 'other', tlsMode: 'disable' })).toBe(false);
    expect(endsSessions(filled, { ...filled, host: 'other' })).toBe(true);
  });
});
