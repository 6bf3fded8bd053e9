import { describe, expect, it } from 'vitest';
import { enrolmentLink, faultsAmong, groupFault, groupsOf, humanFault, nameFault, ownerFault, purposeFault } from './person-form.ts';

describe('people and service accounts', () => {
  it('have names as the service takes them', () => {
    expect(nameFault('ci-deploy')).toBeUndefined();
    for (const name of ['', 'CI', '1st', 'a b']) expect(nameFault(name)).toContain('Lower-case');
    expect(groupFault('read ers')).toContain('Lower-case');
  });

  it('have an owner, a purpose, a human', () => {
    expect(ownerFault('  a ')).toContain('3 to 200');
    expect(ownerFault('ann@example.com')).toBeUndefined();
    expect(purposeFault('')).toContain('3 to 500');
    expect(humanFault('ann\u200b@example.com')).toContain('invisible');
    expect(humanFault('ann@example.com')).toBeUndefined();
  });

  it('keep only what is wrong', () => {
    expect(faultsAmong({ a: 'x', b: undefined })).toEqual({ a: 'x' });
  });

  it('propose the groups there are', () => {
    expect(groupsOf([{ groups: ['b', 'a'] }, { groups: ['b'] }])).toEqual(['a', 'b']);
  });

  it('link to the service with the code behind the hash', () => {
    expect(enrolmentLink('https://gate:8443/', 'postern-enrol:abc')).toBe('https://gate:8443/#enrol=postern-enrol:abc');
  });
});
