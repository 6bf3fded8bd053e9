import { expect, test } from 'vitest';
import { fromBase64url, utf8 } from '../../../proxy/proof/bytes.ts';
import { canonicalJson } from '../../../proxy/proof/canonical.ts';
import { request } from './cases.fake.ts';
import { digestOfShown } from './shown-digest.ts';

test('names the canonical JSON of what is shown, and changes with any member', async () => {
  const { canonical } = request();
  const expected = await crypto.subtle.digest('SHA-256', utf8(canonicalJson(canonical)).slice());
  expect([...fromBase64url(digestOfShown(canonical))]).toEqual([...new Uint8Array(expected)]);
  expect(digestOfShown({ ...canonical, policyVersion: 'v2' })).not.toBe(digestOfShown(canonical));
});
