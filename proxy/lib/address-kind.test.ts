import fc from 'fast-check';
import { isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressFault, addressKey, addressKind, literalHost } from './address-kind.ts';

const strict = { allowLocal: false, own: new Set([addressKey('192.168.7.9') ?? '']) };

describe('the kind of an address', () => {
  it.each([
    ['8.8.8.8', 'public'],
    ['2606:4700::1111', 'public'],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['172.32.0.0', 'public'],
    ['100.64.0.1', 'private'],
    ['fd12::1', 'private'],
    ['127.8.8.8', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::127.0.0.1', 'loopback'],
    ['64:ff9b::7f00:1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['2001:0:1234::80ff:fffe', 'loopback'],
    ['64:ff9b:1::1', 'reserved'],
    ['fe80::1%eth0', 'link-local'],
    ['169.254.1.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['239.1.1.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'reserved'],
  ])('of %s is %s', (address, kind) => {
    expect(addressKind(address)).toBe(kind);
  });

  it.each(['01.1.5.2', '1.1.1.010', '0177.0.0.1', '::ffff:010.0.0.1'])('%s is none', (address) => {
    expect(addressKind(address)).toBeNull();
  });

  it('is null for exactly what Node takes for no address', () => {
    const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(':', '1', 'f', '.', '0', '2', '5'), maxLength: 20 }));
    fc.assert(
      fc.property(text, (address) => (addressKind(address) !== null) === (isIP(address) !== 0)),
      { numRuns: 5_000 },
    );
  });
});

describe('where a target may be', () => {
  it.each(['127.0.0.1', '::1', 'fe80::1', '192.168.7.9', '::ffff:192.168.7.9', '169.254.169.254', '0.0.0.0', '224.0.0.1', 'nonsense'])('%s: not', (address) => {
    expect(addressFault(address, strict)).not.toBeNull();
  });

  it.each(['10.0.0.1', '192.168.7.8', '8.8.8.8', 'fd12::1'])('%s: yes', (address) => {
    expect(addressFault(address, strict)).toBeNull();
  });

  it('local addresses only where that is allowed, metadata services never', () => {
    const allowed = { ...strict, allowLocal: true };
    expect(['127.0.0.1', 'fe80::1', '192.168.7.9'].map((address) => addressFault(address, allowed))).toEqual([null, null, null]);
    expect(['169.254.169.254', '0.0.0.0', 'ff02::1'].every((address) => addressFault(address, allowed) !== null)).toBe(true);
  });
});

describe('a host that is an address', () => {
  it.each([
    ['2130706433', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['0177.0.0.1', '127.0.0.1'],
    ['127.1', '127.0.0.1'],
    ['[::1]', '::1'],
    ['::1', '::1'],
    ['10.0.0.1.', '10.0.0.1'],
    ['１27.0.0.1', '127.0.0.1'],
  ])('%s is %s', (host, address) => {
    expect(literalHost(host)).toBe(address);
  });

  it.each(['example.com', 'a.b', ''])('%j is none', (host) => {
    expect(literalHost(host)).toBeNull();
  });
});
