import { execFile } from 'node:child_process';

export interface Ran {
  /** null: it could not be started, or ended by a signal */
  readonly code: number | null;
  readonly output: string;
  /** why it could not be started; ENOENT: there is no such program */
  readonly fault: string | null;
}

const maxOutputBytes = 1_048_576;

/** Runs a program with fixed arguments, never a shell, to its end or the deadline. */
export function run(program: string, args: readonly string[], deadlineMs: number): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes, encoding: 'utf8' }, (error, stdout, stderr) => {
      const output = stdout + stderr;
      if (error === null) resolve({ code: 0, output, fault: null });
      else if (typeof error.code === 'number') resolve({ code: error.code, output, fault: null });
      else resolve({ code: null, output, fault: error.killed === true ? 'ETIMEDOUT' : (error.code ?? 'EFAULT') });
    });
  });
}
