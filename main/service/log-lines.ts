const kept = 25;
const maxLineChars = 9_000;
const maxUnfinishedChars = 65_536;

/** The newest lines that a process wrote. One-time codes and tokens in them are not kept. */
export class LogLines {
  #lines: string[] = [];
  #unfinished = '';

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Gives the lines that this chunk completed. */
  add(chunk: string): readonly string[] {
    const parts = (this.#unfinished + chunk).split('\n');
    this.#unfinished = (parts.pop() ?? '').slice(-maxUnfinishedChars);
    const whole = parts.map((line) => line.replace(/\r$/, ''));
    this.#lines = [...this.#lines, ...whole.filter((line) => line.trim() !== '').map(shown)].slice(-kept);
    return whole;
  }

  /** A line of ours. */
  note(line: string): void {
    this.#lines = [...this.#lines, line.slice(0, maxLineChars)].slice(-kept);
  }
}

/** As it may be shown: no secret, no control characters. */
export function shown(line: string): string {
  return line
    .slice(0, maxLineChars)
    .replaceAll(/postern-enrol:[A-Za-z0-9_-]+/g, 'postern-enrol:[hidden]')
    .replaceAll(/\b(?:postern_[a-zA-Z]{8}|pau)_[a-zA-Z]{8,}/g, '[hidden token]')
    .replaceAll(/\u001b\[[0-9;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
