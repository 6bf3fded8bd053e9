import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, type TestContext } from 'vitest';
import { Dialogue, launchOf, markedSeconds, parentFile, processesWith } from '../../../test/support/mcp-children.ts';
import { skipBecause } from '../../../test/support/skip.ts';
import { until } from '../../../test/support/until.ts';
import { Secret } from '../../lib/secret.ts';
import { sandboxAvailable } from './sandbox-trial.ts';
import { StdioChild, type StdioPatience } from './stdio-child.ts';
import type { StdioLaunch } from './stdio-launch.ts';
import { spawnStdio } from './stdio-spawn.ts';

const state = await sandboxAvailable();
const started: StdioChild[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.kill('the test is over')));
});

function needs(sandbox: StdioLaunch['sandbox'], context: TestContext): void {
  if (sandbox === 'required' && !state.available) skipBecause(context, `no sandbox on this machine: ${state.why}`);
}

const short: StdioPatience = { closeMs: 300, terminateMs: 300, stalledMs: 300 };

async function start(launch: StdioLaunch, patience = short): Promise<StdioChild> {
  const child = new StdioChild(await spawnStdio(launch), launch, { mask: (line) => line.replaceAll(/\d{16}/g, '****'), patience });
  started.push(child);
  return child;
}

describe.each(['required', 'none'] as const)('a server over stdio, sandbox %s', (sandbox) => {
  it('answers, gets its environment and no other, and no descriptor of ours', async (context) => {
    needs(sandbox, context);
    const dialogue = new Dialogue(await start(launchOf({ sandbox, environment: { REGION: 'eu' } })));
    await expect(dialogue.ask({ do: 'echo', text: 'Grüße' })).resolves.toEqual({ do: 'echo', text: 'Grüße' });
    const { gives } = await dialogue.ask<{ gives: Record<string, string> }>({ do: 'environment' });
    expect(gives).toMatchObject({ REGION: 'eu', LANG: 'C.UTF-8' });
    const allowed = sandbox === 'required' ? ['HOME', 'LANG', 'PATH', 'PWD', 'REGION'] : ['LANG', 'PATH', 'POSTERN_CHILD', 'REGION'];
    expect(Object.keys(gives).toSorted()).toEqual(allowed);
    const { gives: descriptors } = await dialogue.ask<{ gives: string[] }>({ do: 'descriptors' });
    // three streams to us: what it has beside them is Node's own
    expect(descriptors.filter((text) => / (socket|pipe):|\/memfd|postern/.test(text)).filter((text) => Number(text.split(' ')[0]) < 3)).toHaveLength(3);
    expect(descriptors.filter((text) => / socket:/.test(text))).toHaveLength(3);
  });

  it('gets and gives 10,000 messages in order, also to a slow receiver', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox }), { ...short, stalledMs: 10_000 });
    const count = 10_000;
    let next = 0;
    let atOnce = 0;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    child.receive((line) => {
      expect(JSON.parse(Buffer.from(line).toString('utf8'))).toMatchObject({ n: next++ });
      expect(++atOnce).toBe(1);
      if (next === count) resolve(undefined);
      const done = (): void => {
        atOnce--;
      };
      // every hundredth takes a while
      if (next % 100 === 0) return sleep(1).then(done);
      done();
      return true;
    });
    for (let n = 0; n < count; n++) {
      const goOn = child.send(Buffer.from(JSON.stringify({ do: 'echo', n, text: 'x'.repeat(200) })));
      if (goOn !== true) await goOn;
    }
    await promise;
  });

  it('is paused while its receiver waits, so that nothing piles up', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox }));
    let taken = 0;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    child.receive(() => (++taken === 1 ? promise : true));
    await child.send(Buffer.from(JSON.stringify({ do: 'burst', count: 100_000 })));
    await until('the first is there', () => taken === 1);
    await sleep(200);
    expect(taken).toBe(1);
    resolve(undefined);
    await until('all are there', () => taken === 100_000);
  });

  it('is stopped for a line over its limit, and what it sent before has arrived', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox }, { maxMessageBytes: 1_000 }));
    const lines: number[] = [];
    child.receive((line) => {
      lines.push(line.length);
      return true;
    });
    expect(() => child.send(Buffer.alloc(1_001, 'x'))).toThrow(expect.objectContaining({ code: 'ERR_STATEMENT_TOO_LARGE' }) as Error);
    await child.send(Buffer.from(JSON.stringify({ do: 'burst', count: 2 })));
    for (let n = 0; n < 3; n++) await child.send(Buffer.from(JSON.stringify({ do: 'say', text: 'x'.repeat(400) })));
    const exit = await child.exited;
    expect(exit).toMatchObject({
      isStopped: true,
      fault: { code: 'ERR_TARGET_UNREACHABLE', message: expect.stringContaining('longer than its limit') as unknown },
    });
    expect(lines).toEqual([7, 7]);
    expect(() => child.send(Buffer.from('{}'))).toThrow(expect.objectContaining({ code: 'ERR_TARGET_UNREACHABLE' }) as Error);
  });

  it('hands on what is neither JSON nor UTF-8 as it is', async (context) => {
    needs(sandbox, context);
    const dialogue = new Dialogue(await start(launchOf({ sandbox })));
    await dialogue.tell({ do: 'say', text: '\r\n\nno json\r\n{"a"\n' });
    expect(await dialogue.next()).toBe('no json');
    expect(await dialogue.next()).toBe('{"a"');
  });

  it('is stopped when it never reads', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox }));
    await child.send(Buffer.from(JSON.stringify({ do: 'grow deaf' })));
    const text = Buffer.from(JSON.stringify({ do: 'echo', text: 'x'.repeat(500_000) }));
    await expect(
      (async () => {
        for (let n = 0; n < 100; n++) await child.send(text);
      })(),
    ).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    expect((await child.exited).fault).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  it('fills no memory of ours when a caller does not wait', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox }), { ...short, stalledMs: 10_000 });
    await child.send(Buffer.from(JSON.stringify({ do: 'grow deaf' })));
    const text = Buffer.from(JSON.stringify({ do: 'echo', text: 'x'.repeat(900_000) }));
    expect(() => {
      for (let n = 0; n < 10; n++) void child.send(text);
    }).toThrow(expect.objectContaining({ code: 'ERR_TARGET_UNREACHABLE' }) as Error);
  });

  it('ends by itself when its input is closed, and in time when it will not', async (context) => {
    needs(sandbox, context);
    const polite = await start(launchOf({ sandbox }), { ...short, closeMs: 5_000 });
    await new Dialogue(polite).ask({ do: 'echo' });
    await polite.stop('idle');
    expect(await polite.exited).toMatchObject({ code: 0, signal: null, isStopped: true, reason: 'idle' });
    const stubborn = await start(launchOf({ sandbox }));
    await new Dialogue(stubborn).ask({ do: 'stay whatever happens' });
    await stubborn.stop('idle');
    expect(await stubborn.exited).toMatchObject({ signal: 'SIGKILL', isStopped: true });
  });

  it('is asked by SIGTERM before it is killed', async (context) => {
    needs(sandbox, context);
    const child = await start(launchOf({ sandbox, command: '/bin/sh', args: ['-c', 'trap "echo asked >&2; exit 7" TERM; while :; do sleep 0.05; done'] }), {
      ...short,
      terminateMs: 5_000,
    });
    // the trap is set when its first sleep runs
    await sleep(200);
    await child.stop('idle');
    const exit = await child.exited;
    expect(exit.code).toBe(7);
    expect(exit.lastLines).toContain('asked');
  });

  it('takes everything it started along, also what left its process group', async (context) => {
    needs(sandbox, context);
    for (const escape of [false, true]) {
      const seconds = markedSeconds();
      const child = await start(launchOf({ sandbox }));
      await new Dialogue(child).ask({ do: 'grandchild', seconds, escape });
      expect(processesWith(seconds)).toHaveLength(1);
      await child.send(Buffer.from(JSON.stringify({ do: 'exit', count: 4 })));
      expect((await child.exited).code).toBe(4);
      await until('the grandchild is gone', () => processesWith(seconds).length === 0, 2_000);
    }
  });

  it('does not outlive us, however we end, nor does what it started', async (context) => {
    needs(sandbox, context);
    const seconds = [markedSeconds(), markedSeconds()];
    // nor does the end of its input end it
    const deeds = [{ do: 'stay whatever happens' }, ...seconds.map((mark, index) => ({ do: 'grandchild', seconds: mark, escape: index === 1 }))];
    const lines = deeds.map((deed) => JSON.stringify(deed));
    const token = `token${markedSeconds()}`;
    const launch = launchOf({ sandbox });
    const launches = [launch, launch].map(({ args, ...others }) => ({ ...others, args: [...args, token] }));
    const parent = spawn(process.execPath, [parentFile, JSON.stringify(launches), ...lines], { stdio: ['ignore', 'pipe', 'inherit'] });
    let answers = 0;
    createInterface({ input: parent.stdout }).on('line', () => answers++);
    await until('all run', () => answers === 2 * lines.length);
    const isOurs = (pid: number): boolean => pid !== parent.pid;
    expect(processesWith(token).filter(isOurs).length).toBeGreaterThanOrEqual(2);
    parent.kill('SIGKILL');
    await until('nobody is left', () => [token, ...seconds].every((mark) => processesWith(mark).filter(isOurs).length === 0), 2_000);
  });

  it('keeps the last lines of its complaints, masked, without its secret', async (context) => {
    needs(sandbox, context);
    const secret = { kind: 'environment', variable: 'API_KEY', value: new Secret('hunter2-hunter2') } as const;
    const child = await start(launchOf({ sandbox, secret }, { maxStderrLines: 3 }));
    const complaints = ['first', 'card 4111111111111111', 'key hunter2-hunter2', 'x'.repeat(100_000)];
    for (const text of complaints) await child.send(Buffer.from(JSON.stringify({ do: 'complain', text })));
    await child.send(Buffer.from(JSON.stringify({ do: 'exit', count: 1 })));
    const { lastLines } = await child.exited;
    expect(lastLines).toEqual(['card ****', 'key [secret]', 'x'.repeat(1_024)]);
  });
});
