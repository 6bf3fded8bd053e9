import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fail } from '../../proxy/contract/errors.ts';

const Hashes = z.object({ binaries: z.record(z.string(), z.object({ package: z.string().regex(/^[a-z0-9-]+$/), path: z.string().regex(/^[a-z0-9./-]+$/) })) });

export interface SourceCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** How a checkout starts its service (`config`: a file for `--config`): the pinned Node, which the first stage checks before anything of ours runs. */
export async function sourceCommand(checkout: string, dataDir: string, config?: string): Promise<SourceCommand> {
  const hashes = Hashes.parse(JSON.parse(await readFile(join(checkout, 'build', 'node-hashes.json'), 'utf8')));
  const platform = `${process.platform}-${process.arch}`;
  const pinned = hashes.binaries[platform];
  if (pinned === undefined) throw fail('ERR_NOT_FOUND', { message: `There is no pinned Node for ${platform}.` });
  return {
    program: join(checkout, 'node_modules', pinned.package, pinned.path),
    args: [
      join(checkout, 'build', 'postern.js'),
      '--data',
      dataDir,
      'serve',
      '--admin-token-file',
      join(dataDir, 'admin.token'),
      ...(config === undefined ? [] : ['--config', config]),
    ],
  };
}

const passed = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'TMPDIR',
  'TZ',
  'XDG_CONFIG_HOME',
  'XDG_CACHE_HOME',
  'XDG_RUNTIME_DIR',
  'SystemRoot',
  'TEMP',
  'TMP',
];

/** What of the app's environment the service gets: nothing that changes how Node or Electron run. */
export function serviceEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    passed.flatMap((name) => {
      const value = environment[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
