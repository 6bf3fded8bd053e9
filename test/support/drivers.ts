import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { onSystem } from '../../proxy/demo/debian-package.ts';
import { debianPackages, type Found } from './debian-packages.ts';

/** A command that runs a driver's program: program, arguments in front of the script, environment. */
export interface Runtime {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Debian's Python with psycopg 3 and psycopg2; on a system without Python that comes along. */
export async function pythonWithPsycopg(): Promise<Found<Runtime>> {
  const fetched = await debianPackages(['python3-psycopg', 'python3-psycopg2']);
  if (fetched.found === undefined) return fetched;
  const root = fetched.found;
  const own = python(join(root, 'usr/bin'));
  const program = own ?? python('/usr/bin');
  if (program === undefined) return { why: 'neither the system nor the fetched packages hold a Python' };
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => [...triplets(join(root, folder)), join(root, folder)]);
  const environment = {
    PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
    PYTHONDONTWRITEBYTECODE: '1',
    LD_LIBRARY_PATH: libraries.join(':'),
    ...(own === undefined ? {} : { PYTHONHOME: join(root, 'usr') }),
  };
  return { found: { program, arguments: [], environment } };
}

/** The system's Java with Debian's JDBC driver: the program is compiled from its source when it runs. */
export async function javaWithJdbc(): Promise<Found<Runtime>> {
  const java = onSystem('java', '/usr/bin');
  if (java === undefined || onSystem('javac', '/usr/bin') === undefined) return { why: 'this system has no Java compiler' };
  const fetched = await debianPackages(['libpostgresql-jdbc-java']);
  if (fetched.found === undefined) return fetched;
  return { found: { program: java, arguments: ['-cp', join(fetched.found, 'usr/share/java/postgresql.jar')], environment: {} } };
}

function python(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const name = readdirSync(folder).find((file) => /^python3\.\d+$/.test(file));
  return name === undefined ? undefined : join(folder, name);
}

function triplets(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => join(folder, name));
}
