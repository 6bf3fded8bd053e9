import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fail } from '../../contract/errors.ts';
import { readAll } from './read-all.ts';
import { TargetBody } from './target-body.ts';

const calm = new AbortController().signal;

/** What a connection would do with what is said to it. */
class Connection {
  isPaused = false;
  reason: Error | null = null;
  left = 0;
  readonly body = new TargetBody(this, () => this.left++);

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  abort(reason: Error): void {
    this.reason = reason;
    this.body.fail(reason);
  }

  send(...texts: string[]): this {
    for (const text of texts) this.body.arrive(Buffer.from(text));
    return this;
  }
}

describe('a body of a target', () => {
  it('that is here whole is taken at once, and once', () => {
    const { body } = new Connection().send('one ', 'two');
    expect(body.takeWhole()).toBe(null);
    body.complete();
    expect(body.takeWhole()?.toString()).toBe('one two');
    expect(body.takeWhole()).toBe(null);
    expect(body.destroy().destroyed).toBe(false);
  });

  it('is read as a stream, what came before and what comes after', async () => {
    const connection = new Connection().send('one ');
    const reading = readAll(connection.body, 100, calm);
    await turn();
    connection.send('two').body.complete();
    expect((await reading).toString()).toBe('one two');
    await turn();
    expect([connection.left, connection.reason]).toEqual([1, null]);
  });

  it('is refused beyond the limit, however it came', async () => {
    const { body } = new Connection().send('12345678');
    body.complete();
    await expect(readAll(body, 7, calm)).rejects.toMatchObject({ code: 'ERR_BODY_REFUSED' });
  });

  it('that nobody asks for stops coming, and goes on when somebody does', async () => {
    const connection = new Connection().send('x'.repeat(65_535));
    expect(connection.isPaused).toBe(false);
    connection.send('x');
    expect(connection.isPaused).toBe(true);
    const reading = readAll(connection.body, 100_000, calm);
    await turn();
    expect(connection.isPaused).toBe(false);
    connection.send('x').body.complete();
    expect((await reading).length).toBe(65_537);
  });

  it('that is not read to its end gives its connection up', async () => {
    const connection = new Connection().send('half');
    connection.body.destroy();
    await turn();
    expect([connection.left, connection.reason]).toEqual([1, expect.objectContaining({ code: 'ERR_SESSION_ENDED' })]);
    expect(connection.body.takeWhole()).toBe(null);
  });

  it('that failed is never given, and harms nobody who did not ask', async () => {
    const connection = new Connection().send('half');
    connection.body.fail(fail('ERR_TIMEOUT'));
    await turn();
    await expect(readAll(connection.body, 100, calm)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
    const whole = new Connection().send('whole');
    whole.body.complete();
    whole.body.fail(fail('ERR_SESSION_ENDED'));
    expect(whole.body.takeWhole()).toBe(null);
  });
});
