import { describe, expect, it } from 'vitest';
import { connectionWays, doorsOf, reachableHost } from './connection.ts';

const resource = { name: 'payments', protocol: 'postgres', database: 'shop', listenPort: 15_433 };
const listeners = [{ protocol: 'postgres', host: '0.0.0.0', port: 15_432 }];

function texts(...args: Parameters<typeof connectionWays>): Record<string, string> {
  return Object.fromEntries(connectionWays(...args).map(({ id, text }) => [id, text]));
}

describe('connection commands', () => {
  it('names the resource as database at the shared port and the database of the target at its own', () => {
    expect(doorsOf(resource, listeners, 'https://gate.example:8443')).toEqual({
      shared: { host: 'gate.example', port: 15_432, database: 'payments' },
      own: { host: 'gate.example', port: 15_433, database: 'shop' },
    });
  });

  it('has no own door without a fixed port, and none at all when nothing listens', () => {
    expect(doorsOf({ ...resource, listenPort: null }, listeners, '').own).toBeNull();
    expect(doorsOf({ ...resource, listenPort: 0 }, listeners, '').own).toBeNull();
    expect(doorsOf(resource, [], '')).toEqual({ shared: null, own: null });
  });

  it('keeps an address the service listens on, and unwraps IPv6', () => {
    expect(reachableHost('10.1.2.3', 'https://gate:8443')).toBe('10.1.2.3');
    expect(reachableHost('::', 'https://[fd00::1]:8443')).toBe('fd00::1');
    expect(reachableHost('0.0.0.0', 'no address')).toBe('0.0.0.0');
  });

  it('writes psql, URL and JDBC with placeholders for what is not known', () => {
    expect(texts({ host: 'gate', port: 1, database: 'payments' }, '')).toEqual({
      psql: "psql 'host=gate port=1 user=<service-account> dbname=payments sslmode=verify-full sslrootcert=ca.crt'",
      url: 'postgresql://<service-account>:<token>@gate:1/payments?sslmode=verify-full&sslrootcert=ca.crt',
      jdbc: 'jdbc:postgresql://gate:1/payments?user=<service-account>&password=<token>&sslmode=verify-full&sslrootcert=ca.crt',
    });
  });

  it('quotes what a shell or an address would read otherwise', () => {
    const found = texts({ host: 'fd00::1', port: 1, database: "o'shop $x/y" }, 'ci');
    expect(found['psql']).toBe(String.raw`psql "host=fd00::1 port=1 user=ci dbname='o\\'shop \$x/y' sslmode=verify-full sslrootcert=ca.crt"`);
    expect(found['url']).toBe("postgresql://ci:<token>@[fd00::1]:1/o'shop%20%24x%2Fy?sslmode=verify-full&sslrootcert=ca.crt");
  });
});
