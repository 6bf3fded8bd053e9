import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

// A server over standard input and output that does what each line tells it, also what no server should. Alone, without
// imports of ours: in a sandbox this file is all there is of the project.

interface Told {
  readonly do: string;
  readonly text?: string;
  readonly path?: string;
  readonly port?: number;
  readonly count?: number;
  readonly seconds?: string;
  readonly escape?: boolean;
}

const answer = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);
const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : String(error));

function attempt(what: () => unknown): void {
  try {
    answer({ gives: what() });
  } catch (error) {
    answer({ fails: codeOf(error) });
  }
}

const reach = (port: number): void => {
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => {
    answer({ gives: 'connected' });
    socket.destroy();
  });
  socket.once('error', (error) => answer({ fails: codeOf(error) }));
};

/** `escape`: in a session of its own, out of reach of its process group. */
const grandchild = ({ seconds = '60', escape = false }: Told): void => {
  const child = spawn('/usr/bin/sleep', [seconds], { detached: escape, stdio: 'ignore' });
  child.unref();
  child.once('error', (error) => answer({ fails: codeOf(error) }));
  child.once('spawn', () => answer({ gives: 'started' }));
};

const burst = async ({ count = 0 }: Told): Promise<void> => {
  for (let n = 0; n < count; n++) if (!answer({ n })) await new Promise((resolve) => process.stdout.once('drain', resolve));
};

const crowd = async ({ count = 0 }: Told): Promise<void> => {
  const starts = Array.from({ length: count }, () => {
    const child = spawn('/usr/bin/sleep', ['5'], { stdio: 'ignore' });
    return new Promise<boolean>((resolve) => child.once('error', () => resolve(false)).once('spawn', () => resolve(true)));
  });
  answer({ gives: (await Promise.all(starts)).filter(Boolean).length });
};

const deeds: Readonly<Record<string, (told: Told) => unknown>> = {
  echo: (told) => answer(told),
  say: ({ text = '' }) => process.stdout.write(text),
  complain: ({ text = '' }) => process.stderr.write(`${text}\n`),
  environment: () => answer({ gives: process.env }),
  identity: () => answer({ gives: [process.getuid?.(), readFileSync('/proc/self/status', 'latin1').match(/^CapEff.*$/m)?.[0], process.cwd()] }),
  descriptors: () =>
    attempt(() =>
      readdirSync('/proc/self/fd').flatMap((name) => {
        try {
          return [`${name} ${readlinkSync(`/proc/self/fd/${name}`)}`];
        } catch {
          return [];
        }
      }),
    ),
  read: ({ path = '' }) => attempt(() => readFileSync(path, 'utf8')),
  list: ({ path = '' }) => attempt(() => readdirSync(path)),
  write: ({ path = '' }) => attempt(() => writeFileSync(path, 'written')),
  allocate: ({ count = 0 }) => attempt(() => Buffer.alloc(count * 1024 * 1024, 1).length),
  reach: ({ port = 0 }) => reach(port),
  grandchild,
  crowd,
  burst,
  exit: ({ count = 0 }) => process.exit(count),
  'grow deaf': () => {
    process.stdin.pause();
    setInterval(() => undefined, 1_000);
  },
  'stay whatever happens': () => {
    process.on('SIGTERM', () => undefined);
    setInterval(() => undefined, 1_000);
    answer({ gives: 'staying' });
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const told = JSON.parse(line) as Told;
  deeds[told.do]?.(told);
});
