import { z } from 'zod';
import { fromBase64url } from '../proof/bytes.ts';
import { fail } from './errors.ts';

const Https = z.url({ protocol: /^https$/ }).max(500);
const Line = z.string().min(1).max(200);

/** What an administrator hands over; `ca`: SHA-256 of the CA certificate (DER), hex; `code`: the secret part, good once. */
export const EnrolmentCode = z.strictObject({
  url: Https,
  ca: z.string().regex(/^[0-9a-f]{64}$/),
  service: Line,
  user: Line,
  code: z.string().min(16).max(200),
});
export type EnrolmentCode = z.infer<typeof EnrolmentCode>;

const maxCodeChars = 4_096;

/** Reads `postern-enrol:…`. Throws ERR_INVALID_INPUT; the message never repeats the code. */
export function parseEnrolmentCode(text: string): EnrolmentCode {
  const [, encoded] = /^postern-enrol:([A-Za-z0-9_-]+)$/.exec(text.trim().slice(0, maxCodeChars)) ?? [];
  try {
    return EnrolmentCode.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(fromBase64url(encoded ?? ''))));
  } catch {
    throw fail('ERR_INVALID_INPUT', { message: 'This is no enrolment code.', hint: 'Copy it whole: it begins with postern-enrol: and is one line.' });
  }
}
