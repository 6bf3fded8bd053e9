// node build/complete-lock.js: run after every `npm install`. npm leaves an optional platform package out of
// package-lock.json when the registry in use doesn't carry it, and `npm ci` then refuses the file everywhere (npm/cli#4828).
// Adds the missing entries from the names their parents declare. They carry no integrity, so only development tools on
// other platforms than glibc Linux may be added this way; anything else is an error.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const path = join(root, 'package-lock.json');
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'x64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x'];

function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = systems.find((entry) => words.includes(entry));
  const cpu = processors.find((entry) => words.includes(entry));
  if (os === undefined || cpu === undefined) throw new Error(`${name}: its platform can't be read from its name`);
  const libc = /musl/.test(name) ? ['musl'] : os === 'linux' ? ['glibc'] : undefined;
  return { os: [os], cpu: [cpu], ...(libc && { libc }) };
}

const lock = JSON.parse(readFileSync(path, 'utf8'));
let added = 0;
for (const [parent, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined || lock.packages[`${parent}/${key}`] !== undefined) continue;
    const platform = platformOf(name);
    const onMain = platform.libc?.[0] === 'glibc' && ['x64', 'arm64'].includes(platform.cpu[0]);
    if (onMain || entry.dev !== true) throw new Error(`${name}@${version} is needed, but the registry does not carry it`);
    lock.packages[key] = { version, ...platform, dev: true, optional: true };
    added += 1;
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(sorted);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} entries added\n`);
