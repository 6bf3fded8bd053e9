import { fail } from './errors.ts';

/** The data of server-sent events (WHATWG HTML, section 9.2.6), out of lines without their ends; comments and what is unfinished are dropped. */
export async function* eventData(lines: AsyncIterable<string>, maxChars: number): AsyncGenerator<string> {
  let data: string[] = [];
  let size = 0;
  for await (const ended of lines) {
    const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
    if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
      size = 0;
      continue;
    }
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name !== 'data') continue;
    data.push(value);
    size += value.length + 1;
    if (size > maxChars) throw fail('ERR_INTERNAL', { message: 'An event of the answer is too long.' });
  }
}

interface Following<T> {
  /** Opens the stream behind the event `after`; undefined: from now on. */
  readonly connect: (after: number | undefined) => AsyncIterable<T>;
  /** whether a fault goes away by itself */
  readonly passes: (error: unknown) => boolean;
  readonly pause: (milliseconds: number) => Promise<void>;
  /** told before each new try; `gap`: changes meanwhile may be missed */
  readonly lost: (error: unknown, gap: boolean) => void;
}

const firstPauseMs = 1_000;
const maxPauseMs = 30_000;

/** One endless stream out of connections that break: tried again, ever more slowly, until a fault does not pass. */
export async function* followed<T extends { readonly id: number }>({ connect, passes, pause, lost }: Following<T>, from?: number): AsyncGenerator<T> {
  let after = from;
  let pauseMs = firstPauseMs;
  for (;;) {
    const openedAt = performance.now();
    let fault: unknown = null;
    try {
      for await (const event of connect(after)) {
        // what came again after a resume was shown before
        if (after !== undefined && event.id <= after) continue;
        after = event.id;
        yield event;
      }
    } catch (error) {
      if (!passes(error)) throw error;
      fault = error;
    }
    if (performance.now() - openedAt > maxPauseMs) pauseMs = firstPauseMs;
    lost(fault, after === undefined);
    // spread, so that a restarted service is not asked by everybody at once
    await pause(pauseMs * (0.5 + Math.random() / 2));
    pauseMs = Math.min(pauseMs * 2, maxPauseMs);
  }
}
