import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertNetworks, compileNetworks } from './network.ts';

describe('networks', () => {
  it.each([
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['10.0.0.0/8'], '::ffff:0a01:0203', true],
    [['10.0.0.0/8'], '::ffff:11.1.2.3', false],
    [['::ffff:10.0.0.0/104'], '10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '::ffff:10.1.2.3', true],
    [['192.0.2.7'], '192.0.2.7', true],
    [['192.0.2.7'], '192.0.2.8', false],
    [['2001:db8::/32'], '2001:0db8:0:1::5', true],
    [['2001:db8::/32'], '2001:db9::5', false],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['0.0.0.0/0'], '2001:db8::1', false],
    [['::/0'], '203.0.113.9', false],
    [['::/0'], '2001:db8::1', true],
    [['10.0.0.0/8', '2001:db8::/32'], '2001:db8::1', true],
    [[], 'anything at all', true],
    [['nonsense'], '10.0.0.1', false],
    [['10.0.0.0/8'], '', false],
    [['10.0.0.0/8'], 'unix socket', false],
    [['10.0.0.0/8'], '10.0.0.1:5432', false],
  ])('%j includes %s: %s', (networks, address, expected) => {
    expect(compileNetworks(networks).includes(address)).toBe(expected);
  });

  it('agree with arithmetic on IPv4, plain and mapped', () => {
    const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(32), (base, address, prefix) => {
        const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
        const expected = (base & mask) >>> 0 === (address & mask) >>> 0;
        const networks = compileNetworks([`${dotted(base)}/${String(prefix)}`]);
        expect(networks.includes(dotted(address))).toBe(expected);
        expect(networks.includes(`::ffff:${dotted(address)}`)).toBe(expected);
      }),
    );
  });

  it('never throw on any text and refuse what is no network', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (network, address) => {
        compileNetworks([network]).includes(address);
      }),
    );
    for (const bad of ['', '10.0.0.0/33', '::/129', '10.0.0/8', '10.0.0.0/08', '10.0.0.0/-1', '::ffff:10.0.0.0/95', 'fe80::%eth0/64']) {
      expect(() => {
        assertNetworks([bad]);
      }).toThrow('is not a network');
    }
    assertNetworks(['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']);
  });
});
