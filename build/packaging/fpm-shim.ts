import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

// Stands in for fpm: electron-builder's arguments (app-builder-lib 26, targets/FpmTarget.js) become one call of dpkg-deb or rpmbuild,
// the distributions' own tools. An argument it does not know ends it.

interface Wanted {
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** `from=to`; a `from` that ends with a slash is the contents of a directory */
  readonly files: readonly { readonly from: string; readonly to: string }[];
}

const flags = ['--force'];
const valued = [
  ...['-s', '-t', '-d', '--architecture', '--after-install', '--after-remove', '--before-remove', '--description', '--version', '--package', '--name'],
  ...['--maintainer', '--vendor', '--url', '--category', '--license', '--iteration', '--deb-priority', '--deb-recommends', '--deb-compression'],
  ...['--rpm-summary', '--rpm-compression', '--rpm-os'],
];

export function parseArguments(args: readonly string[]): Wanted {
  const options = new Map<string, string[]>();
  const files: { from: string; to: string }[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (flags.includes(arg)) continue;
    if (arg.startsWith('-')) {
      const [name = '', inline] = arg.split(/=(.*)/s);
      if (!valued.includes(name)) throw new Error(`fpm-shim: unknown argument ${arg}`);
      options.set(name, [...(options.get(name) ?? []), inline ?? args[(at += 1)] ?? '']);
    } else {
      const cut = arg.lastIndexOf('=');
      if (cut <= 0) throw new Error(`fpm-shim: not FROM=TO: ${arg}`);
      files.push({ from: arg.slice(0, cut), to: arg.slice(cut + 1) });
    }
  }
  return { options, files };
}

const one = ({ options }: Wanted, name: string): string => {
  const value = options.get(name)?.at(-1);
  if (value === undefined) throw new Error(`fpm-shim: ${name} is missing`);
  return value;
};
const oneOr = ({ options }: Wanted, name: string, other: string): string => options.get(name)?.at(-1) ?? other;
/** First line, then the others indented with a dot for an empty one (Debian policy 5.6.13). */
const debianText = (text: string): string => {
  const [first = '', ...rest] = text.trim().split('\n');
  return [first, ...rest.map((line) => (line.trim() === '' ? ' .' : ` ${line.trim()}`))].join('\n');
};

function run(program: string, args: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2], env: { ...process.env, LC_ALL: 'C.UTF-8' } });
  if (error !== undefined) throw new Error(`fpm-shim: ${program}: ${error.message}`);
  if (status !== 0) throw new Error(`fpm-shim: ${program} ended with ${String(status)}`);
}

/** The tree as it will lie on the machine; modes are made the same whatever the builder's umask. */
function lay(stage: string, files: Wanted['files']): void {
  for (const { from, to } of files) {
    const target = join(stage, to);
    mkdirSync(from.endsWith('/') ? target : dirname(target), { recursive: true });
    cpSync(from, target, { recursive: true, verbatimSymlinks: true });
  }
  even(stage);
}

function even(path: string): void {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return;
  chmodSync(path, found.isDirectory() || (found.mode & 0o100) !== 0 ? 0o755 : 0o644);
  if (found.isDirectory()) for (const name of readdirSync(path)) even(join(path, name));
}

function sizeKib(path: string): number {
  const found = lstatSync(path);
  if (!found.isDirectory()) return Math.ceil(found.size / 1_024);
  return readdirSync(path).reduce((sum, name) => sum + sizeKib(join(path, name)), 4);
}

function deb(wanted: Wanted, work: string): void {
  const stage = join(work, 'stage');
  lay(stage, wanted.files);
  const list = (name: string): string => (wanted.options.get(name) ?? []).join(', ');
  const fields: readonly (readonly [string, string])[] = [
    ['Package', one(wanted, '--name')],
    ['Version', one(wanted, '--version')],
    ['License', oneOr(wanted, '--license', '')],
    ['Vendor', oneOr(wanted, '--vendor', '')],
    ['Architecture', one(wanted, '--architecture')],
    ['Maintainer', one(wanted, '--maintainer')],
    ['Installed-Size', String(sizeKib(stage))],
    ['Depends', list('-d')],
    ['Recommends', list('--deb-recommends')],
    ['Section', oneOr(wanted, '--category', 'admin')],
    ['Priority', oneOr(wanted, '--deb-priority', 'optional')],
    ['Homepage', oneOr(wanted, '--url', '')],
    ['Description', debianText(one(wanted, '--description'))],
  ];
  const control = join(stage, 'DEBIAN');
  mkdirSync(control, { mode: 0o755 });
  writeFileSync(join(control, 'control'), fields.flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}\n`])).join(''));
  for (const [option, name] of [
    ['--after-install', 'postinst'],
    ['--after-remove', 'postrm'],
    ['--before-remove', 'prerm'],
  ] as const) {
    const script = wanted.options.get(option)?.at(-1);
    if (script === undefined) continue;
    cpSync(script, join(control, name));
    chmodSync(join(control, name), 0o755);
  }
  const compression = oneOr(wanted, '--deb-compression', 'xz') === 'gz' ? 'gzip' : 'xz';
  run('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '-z3', '--build', stage, one(wanted, '--package')]);
}

const escaped = (text: string): string => text.replaceAll('%', '%%');

function rpm(wanted: Wanted, work: string): void {
  const stage = join(work, 'stage');
  lay(stage, wanted.files);
  const section = (name: string, option: string): string => {
    const script = wanted.options.get(option)?.at(-1);
    return script === undefined ? '' : `%${name}\n${escaped(readFileSync(script, 'utf8'))}\n`;
  };
  // what is one file is listed by name; a directory's contents with the directory
  const listed = wanted.files.map(({ from, to }) => `"${to.endsWith('/') || !statSync(from).isDirectory() ? to : to.replace(/\/$/, '')}"`);
  const summary = one(wanted, '--description').trim().split('\n')[0] ?? '';
  const spec = [
    '%global debug_package %{nil}',
    '%global __os_install_post %{nil}',
    '%global _build_id_links none',
    `%global _binary_payload ${oneOr(wanted, '--rpm-compression', 'xzmt') === 'gzip' ? 'w3.gzdio' : 'w3.xzdio'}`,
    `Name: ${one(wanted, '--name')}`,
    `Version: ${one(wanted, '--version').replaceAll('-', '~')}`,
    `Release: ${oneOr(wanted, '--iteration', '1')}`,
    `Summary: ${escaped(oneOr(wanted, '--rpm-summary', summary))}`,
    `License: ${oneOr(wanted, '--license', 'unknown')}`,
    `Vendor: ${oneOr(wanted, '--vendor', '')}`,
    `URL: ${oneOr(wanted, '--url', '')}`,
    `Packager: ${one(wanted, '--maintainer')}`,
    'AutoReqProv: no',
    ...(wanted.options.get('-d') ?? []).map((name) => `Requires: ${name}`),
    '%description',
    escaped(one(wanted, '--description').trim()),
    '%install',
    'mkdir -p %{buildroot}',
    `cp -a '${stage}/.' %{buildroot}/`,
    section('post', '--after-install'),
    section('preun', '--before-remove'),
    section('postun', '--after-remove'),
    '%files',
    '%defattr(-,root,root,-)',
    ...listed,
    '',
  ]
    // a tag without a value is a fault
    .filter((line) => !/^(?:Vendor|URL): $/.test(line))
    .join('\n');
  const file = join(work, 'package.spec');
  writeFileSync(file, spec);
  const target = one(wanted, '--architecture');
  run('rpmbuild', [
    '-bb',
    '--quiet',
    '--target',
    target,
    '--define',
    `_topdir ${work}`,
    '--define',
    `_rpmdir ${work}/rpms`,
    '--define',
    `_rpmfilename package.rpm`,
    file,
  ]);
  cpSync(join(work, 'rpms', 'package.rpm'), one(wanted, '--package'));
}

if (import.meta.main) {
  const wanted = parseArguments(process.argv.slice(2));
  const artifact = one(wanted, '--package');
  const work = mkdtempSync(join(dirname(artifact), `.${basename(artifact)}-`));
  try {
    const kind = one(wanted, '-t');
    if (kind === 'deb') deb(wanted, work);
    else if (kind === 'rpm') rpm(wanted, work);
    else throw new Error(`fpm-shim: it makes deb and rpm, not ${kind}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
