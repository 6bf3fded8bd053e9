import { z } from 'zod';
import { keyFileCustody, passphraseCustody, systemdCustody, type KeyCustody } from '../vault/key-custody.ts';
import { Secret } from '../lib/secret.ts';
import { fail } from '../contract/errors.ts';

const Listener = z.strictObject({ host: z.string().min(1).max(253), port: z.int().min(0).max(65_535) });

/** Where the key-encryption key comes from; crosses to control on its standard input. */
export const Custody = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('key-file'), path: z.string() }),
  z.strictObject({ from: z.literal('systemd'), directory: z.string(), name: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/) }),
  z.strictObject({ from: z.literal('passphrase'), passphrase: z.string().min(12), saltFile: z.string() }),
]);
export type Custody = z.infer<typeof Custody>;

export function custodyOf(custody: Custody, create: boolean): KeyCustody {
  switch (custody.from) {
    case 'key-file':
      return keyFileCustody({ path: custody.path, create });
    case 'systemd':
      return systemdCustody(custody);
    case 'passphrase':
      return passphraseCustody({ passphrase: new Secret(custody.passphrase), saltFile: custody.saltFile, create });
  }
}

/** `postern serve --config FILE`. What is absent stays as the appliance document has it. */
export const ServeConfig = z
  .strictObject({
    name: z.string(),
    listeners: z.strictObject({ control: Listener, postgres: Listener, web: Listener }).partial(),
    /** further names and addresses that clients use, for the certificate */
    tlsNames: z.array(z.string().regex(/^[A-Za-z0-9:._-]{1,253}$/)).max(32),
    keyEncryption: z.discriminatedUnion('from', [
      z.strictObject({ from: z.literal('key-file'), path: z.string() }),
      z.strictObject({ from: z.literal('systemd'), name: z.string() }),
      z.strictObject({ from: z.literal('passphrase-file'), path: z.string() }),
    ]),
  })
  .partial();
export type ServeConfig = z.infer<typeof ServeConfig>;

/** Throws ERR_INVALID_INPUT with all faults at once; unknown members are faults. */
export function parseConfig(text: string, file: string): ServeConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail('ERR_INVALID_INPUT', { message: `${file} is not JSON.` });
  }
  const parsed = ServeConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  throw fail('ERR_INVALID_INPUT', {
    message: `${file} is not a valid configuration.`,
    faults: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
  });
}
