import type { Input } from '../../../proxy/contract/api.ts';
import type { PostgresView } from '../../../proxy/contract/api-views.ts';
import { PostgresResource } from '../../../proxy/contract/resource.ts';
import type { InputFault } from '../../../proxy/lib/errors.ts';

/** What is typed, as it is typed. */
export interface ResourceForm {
  readonly name: string;
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly account: string;
  readonly password: string;
  readonly tlsMode: 'verify-full' | 'disable';
  readonly ca: string;
  readonly serverName: string;
  /** empty: shared port only */
  readonly listenPort: string;
  readonly recordKib: string;
}

export type FormField = keyof ResourceForm;
export type FormFaults = Partial<Record<FormField, string>>;

export const steps = ['address', 'tls', 'account', 'options'] as const;
export type Step = (typeof steps)[number];

const fieldsOf: Readonly<Record<Step, readonly FormField[]>> = {
  address: ['name', 'host', 'port'],
  tls: ['tlsMode', 'ca', 'serverName'],
  account: ['database', 'account', 'password'],
  options: ['listenPort', 'recordKib'],
};

const kib = 1_024;
const defaultPort = 5_432;
const maxRecordKib = 1_048_576;
const maxPort = 65_535;

export const emptyForm: ResourceForm = {
  name: '',
  host: '',
  port: String(defaultPort),
  database: '',
  account: '',
  password: '',
  tlsMode: 'verify-full',
  ca: '',
  serverName: '',
  listenPort: '',
  recordKib: '1024',
};

export function formOf({ name, host, port, database, account, tls, listenPort, recording }: PostgresView): ResourceForm {
  const verified = tls.mode === 'verify-full' ? tls : null;
  return {
    name,
    host,
    port: String(port),
    database,
    account,
    password: '',
    tlsMode: tls.mode,
    ca: verified?.ca ?? '',
    serverName: verified?.serverName ?? '',
    listenPort: listenPort === null ? '' : String(listenPort),
    recordKib: String(recording.maxBytesPerOperation / kib),
  };
}

/** What is wrong, field by field, in words; empty: nothing. `isNew`: a name and a password are needed. */
export function formFaults(form: ResourceForm, isNew: boolean): FormFaults {
  const faults: Record<string, string | undefined> = {
    name: isNew ? nameFault(form.name) : undefined,
    host: lengthFault(form.host, 253),
    port: numberFault(form.port, 1, maxPort),
    database: lengthFault(form.database, 63),
    account: lengthFault(form.account, 63),
    password: isNew ? lengthFault(form.password, 1_024) : undefined,
    ca: form.tlsMode === 'disable' ? undefined : authorityFault(form.ca),
    serverName: form.serverName.length > 253 ? 'At most 253 characters.' : undefined,
    listenPort: form.listenPort.trim() === '' ? undefined : numberFault(form.listenPort, 1, maxPort),
    recordKib: numberFault(form.recordKib, 0, maxRecordKib, true),
  };
  return Object.fromEntries(Object.entries(faults).filter(([, fault]) => fault !== undefined));
}

/** Those of one step. */
export function stepFaults(step: Step, faults: FormFaults): FormFaults {
  return Object.fromEntries(fieldsOf[step].flatMap((field) => (faults[field] === undefined ? [] : [[field, faults[field]]])));
}

/** The first step in which something is wrong; null: none. */
export function faultyStep(faults: FormFaults): Step | null {
  return steps.find((step) => Object.keys(stepFaults(step, faults)).length > 0) ?? null;
}

const fieldByPath: Readonly<Record<string, FormField>> = {
  tls: 'tlsMode',
  'tls.ca': 'ca',
  'tls.serverName': 'serverName',
  'recording.maxBytesPerOperation': 'recordKib',
};

/** The faults the service found, at their fields. */
export function servedFaults(found: readonly InputFault[]): FormFaults {
  return Object.fromEntries(
    found.flatMap(({ path, message }) => {
      const field = fieldByPath[path] ?? (Object.hasOwn(emptyForm, path) ? path : null);
      return field === null ? [] : [[field, message]];
    }),
  );
}

type Settings = Pick<PostgresView, 'host' | 'port' | 'database' | 'account' | 'tls' | 'listenPort' | 'recording'>;

/** Of a form without faults. */
export function settingsOf(form: ResourceForm): Settings {
  const ca = form.ca.trim();
  const serverName = form.serverName.trim();
  return {
    host: form.host.trim(),
    port: Number(form.port),
    database: form.database.trim(),
    account: form.account.trim(),
    tls:
      form.tlsMode === 'disable' ? { mode: 'disable' } : { mode: 'verify-full', ...(ca !== '' && { ca: `${ca}\n` }), ...(serverName !== '' && { serverName }) },
    listenPort: form.listenPort.trim() === '' ? null : Number(form.listenPort),
    recording: { maxBytesPerOperation: Math.round(Number(form.recordKib) * kib) },
  };
}

export function creationOf(form: ResourceForm): Input<'createResource'> {
  return { name: form.name.trim(), protocol: 'postgres', ...settingsOf(form), password: form.password };
}

/** Live sessions go on unless the target or its account is another one. */
export function endsSessions(before: ResourceForm, after: ResourceForm): boolean {
  const was = settingsOf(before);
  const is = settingsOf(after);
  return was.host !== is.host || was.port !== is.port || was.account !== is.account;
}

function nameFault(name: string): string | undefined {
  return PostgresResource.shape.name.safeParse(name.trim()).success
    ? undefined
    : 'Lower-case letters, digits, dot, dash and underscore; it begins with a letter and has at most 63.';
}

function lengthFault(text: string, most: number): string | undefined {
  if (text.trim() === '') return 'This is needed.';
  return text.length > most ? `At most ${most} characters.` : undefined;
}

function numberFault(text: string, least: number, most: number, fraction = false): string | undefined {
  const pattern = fraction ? /^\d{1,7}(\.\d{1,10})?$/ : /^\d{1,7}$/;
  const value = Number(text);
  return pattern.test(text.trim()) && value >= least && value <= most ? undefined : `A number from ${least} to ${most.toLocaleString('en-GB')}.`;
}

const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/;

function authorityFault(ca: string): string | undefined {
  if (ca.trim() === '') return undefined;
  if (ca.includes('PRIVATE KEY')) return 'This holds a private key. Paste only the certificate, and replace that key: it has been on a clipboard.';
  return certificate.test(ca) ? undefined : 'This is no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----.';
}
