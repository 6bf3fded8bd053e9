import { z } from 'zod';

const v4 = z.ipv4();
const v6 = z.ipv6();

/** The address as Cedar reads it: without zone, an IPv4 address mapped into IPv6 as IPv4. Null when it is neither. */
export function addressOf(origin: string): string | null {
  const [address = ''] = origin.split('%', 1);
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1] ?? address;
  if (v4.safeParse(mapped).success) return mapped;
  // Cedar takes no IPv4 notation inside IPv6
  return v6.safeParse(mapped).success && !mapped.includes('.') ? mapped : null;
}
