import { spawn } from 'node:child_process';

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  /** everything it has said so far, standard output and error */
  said(): string;
  /** Resolves when what it has said since the last call holds `text`; gives that. Rejects when it ends before. */
  saying(text: string): Promise<string>;
  write(text: string): void;
  /** closes its standard input */
  end(): void;
  signal(name: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** Starts an ordinary client with nothing of our environment but PATH. */
export function start(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(program, [...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: '/nonexistent', TERM: 'dumb', ...environment },
  });
  let [out, err, all] = ['', '', ''];
  let taken = 0;
  let wake: () => void = () => undefined;
  let ended = false;
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    all += chunk.toString();
    wake();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
    all += chunk.toString();
    wake();
  });
  child.stdin.on('error', () => undefined);
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      ended = true;
      wake();
      resolve({ code, out, err });
    });
  });
  return {
    said: () => all,
    saying: async (text) => {
      for (;;) {
        const at = all.indexOf(text, taken);
        if (at >= 0) {
          const since = all.slice(taken, at + text.length);
          taken = at + text.length;
          return since;
        }
        if (ended) throw new Error(`it ended without saying "${text}": ${all}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    write: (text) => {
      child.stdin.write(text);
    },
    end: () => {
      child.stdin.end();
    },
    signal: (name) => {
      child.kill(name);
    },
    finished,
  };
}

/** Runs it to its end. */
export async function run(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}, stdin = ''): Promise<Finished> {
  const running = start(program, args, environment);
  running.write(stdin);
  running.end();
  return running.finished;
}
