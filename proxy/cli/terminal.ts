import { fail } from '../contract/errors.ts';
import type { Io } from './output.ts';
import { readNamed } from './session.ts';

interface Question {
  readonly prompt: string;
  /** nothing of the answer is shown */
  readonly hidden: boolean;
  readonly timeoutMs: number;
}

const maxLineChars = 4_096;
const passphraseTimeoutMs = 5 * 60_000;
// setTimeout takes no more
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * One line of the person at the terminal; what was typed beyond it is dropped, so that it answers no later question.
 * Throws ERR_INVALID_INPUT when interrupted or ended, ERR_TIMEOUT after the deadline.
 */
export async function askLine({ stdin, err }: Io, { prompt, hidden, timeoutMs }: Question): Promise<string> {
  err(prompt);
  if (hidden) stdin.setRawMode(true);
  let line = '';
  let timer: NodeJS.Timeout | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const onEnd = (): void => {
    reject(fail('ERR_INVALID_INPUT', { message: 'Interrupted.', hint: 'Nothing was done.' }));
  };
  const onData = (chunk: unknown): void => {
    for (const char of String(chunk)) {
      // the first of these settles it; what follows in the same chunk is dropped with the promise
      if (char === '\u0003' || char === '\u0004') onEnd();
      else if (char === '\r' || char === '\n') resolve(line);
      else if (char === '\u007f' || char === '\b') line = line.replace(/.$/su, '');
      else line += char;
    }
    if (line.length > maxLineChars) reject(fail('ERR_INVALID_INPUT', { message: 'The answer is too long.' }));
  };
  try {
    timer = setTimeout(() => reject(fail('ERR_TIMEOUT', { message: 'There was no answer in time.' })), Math.min(timeoutMs, maxTimeoutMs));
    stdin.on('data', onData).once('end', onEnd);
    stdin.resume();
    return await promise;
  } finally {
    clearTimeout(timer);
    stdin.off('data', onData).off('end', onEnd);
    stdin.pause();
    if (hidden) {
      stdin.setRawMode(false);
      err('\n');
    }
  }
}

/** The passphrase of a key, from a file or the terminal. Throws ERR_INVALID_INPUT when there is neither, or when it is empty. */
export async function readPassphrase(file: string | undefined, io: Io, prompt: string): Promise<string> {
  const passphrase = file === undefined ? await askPassphrase(io, prompt) : (await readNamed(file)).replace(/\r?\n$/, '');
  if (passphrase.length > maxLineChars) throw fail('ERR_INVALID_INPUT', { message: 'The passphrase is too long.' });
  if (passphrase === '') throw fail('ERR_INVALID_INPUT', { message: 'The passphrase is empty.', hint: 'A key without one is made with --no-passphrase.' });
  return passphrase;
}

/** A new passphrase, asked twice at a terminal. */
export async function readNewPassphrase(file: string | undefined, io: Io): Promise<string> {
  const first = await readPassphrase(file, io, 'New passphrase for your approver key: ');
  if (file !== undefined) return first;
  const second = await askPassphrase(io, 'The same again: ');
  if (first !== second) throw fail('ERR_INVALID_INPUT', { message: 'The two are not the same.', hint: 'Nothing was enrolled; try again.' });
  return first;
}

async function askPassphrase(io: Io, prompt: string): Promise<string> {
  if (!io.stdin.isTTY)
    throw fail('ERR_INVALID_INPUT', { message: 'There is no terminal to ask for the passphrase.', hint: 'Give it with --passphrase-file FILE.' });
  return askLine(io, { prompt, hidden: true, timeoutMs: passphraseTimeoutMs });
}
