import { readFileSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agreeToAll, directMcp, stubFile, type McpContender } from '../bench/mcp-contenders.ts';
import { BenchUser } from '../bench/mcp-user.ts';
import { until } from '../support/until.ts';
import { overHttp, overStdio, startMcpService, type McpService } from '../support/mcp-service.ts';

const calls = 10_000;
/** by then everything has been loaded, compiled and filled once, and the allocator holds what it goes on with */
const warmCalls = 10_000;
const connections = 16;
const steps = 5;
const maxGrowth = 1.1;
const parts = ['gateway', 'audit', 'control'] as const;

let stub: McpContender;
let service: McpService;

beforeAll(async () => {
  stub = await directMcp();
  service = await startMcpService();
  await service.add('over-http', overHttp(stub.url));
  await service.add('over-stdio', overStdio(stubFile, ['stdio']));
  for (const resource of ['over-http', 'over-stdio']) await agreeToAll(service, resource, true);
});

afterAll(async () => {
  await service.stop();
  await stub.stop();
});

/** What one call brings: its own progress, step by step, then its own result. */
async function called(user: BenchUser, number: number): Promise<string | null> {
  const message = `call ${number}`;
  const said = await user.call({ tool: 'steps', message, progressToken: `token-${number}` });
  const expected = Array.from({ length: steps }, (_, at) => `${message} step ${at + 1}`);
  const heard = said.slice(0, -1).map((text) => stepOf(JSON.parse(text) as Told, number));
  const isWhole = heard.join() === expected.join() && said.at(-1)?.includes(`"text":"${message}"`) === true;
  return isWhole ? null : `${message}: ${said.join(' ')}`;
}

interface Told {
  readonly params?: { readonly progressToken?: string; readonly progress?: number; readonly message?: string };
}

function stepOf({ params }: Told, number: number): string {
  return params?.progressToken === `token-${number}` ? `${params.message ?? ''} step ${params.progress ?? 0}` : 'of another call';
}

/** Gives what went wrong: lost, of another call, or out of order. */
async function callMany(user: BenchUser, from: number, to: number): Promise<readonly string[]> {
  const wrong: string[] = [];
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) {
      const fault = await called(user, next++);
      if (fault !== null) wrong.push(fault);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  return wrong;
}

type Memory = Record<(typeof parts)[number], number>;

/** Resident memory by process, MiB, without what only waits for its collection: of that V8 keeps more the longer nothing asks for room. */
async function memory(): Promise<Memory> {
  const of = async (name: string): Promise<number> => {
    const pid = service.appliance.parts().find((part) => part.name === name)?.pid ?? 0;
    await collect(pid);
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Infinity) / 1024;
  };
  return { gateway: await of('gateway'), audit: await of('audit'), control: await of('control') };
}

const inspector = 'http://127.0.0.1:9229/json/list';

/** A full collection, asked for as a debugger does it; one process after the other, since they take the same port. */
async function collect(pid: number): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const [target] = await until('the process listens to debuggers', () => ask(inspector));
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '');
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  const commands = [
    { id: 1, method: 'HeapProfiler.collectGarbage' },
    { id: 2, method: 'HeapProfiler.collectGarbage' },
    { id: 3, method: 'Runtime.evaluate', params: { expression: 'process._debugEnd()' } },
  ];
  await new Promise<void>((resolve) => {
    let answered = 0;
    socket.onclose = () => resolve();
    socket.onmessage = () => {
      if (++answered < commands.length) socket.send(JSON.stringify(commands[answered]));
      else socket.close();
    };
    socket.send(JSON.stringify(commands[0]));
  });
  await until('the process listens no more', async () => (await ask(inspector)) === null);
}

async function ask(url: string): Promise<readonly { webSocketDebuggerUrl: string }[] | null> {
  try {
    return (await (await fetch(url)).json()) as readonly { webSocketDebuggerUrl: string }[];
  } catch {
    return null;
  }
}

/** Processes that run the stub as a child of a gateway. */
function children(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`${stubFile}\0stdio`);
      } catch {
        // it ended meanwhile
        return false;
      }
    });
}

describe.each(['over-http', 'over-stdio'])(`${calls} calls over ${connections} connections, %s`, (resource) => {
  it('lose and reorder nothing, and leave memory as it was', async () => {
    const user = await BenchUser.begin(service.place(resource), connections);
    const wrong = [...(await callMany(user, 0, warmCalls))];
    const before = await memory();
    wrong.push(...(await callMany(user, warmCalls, warmCalls + calls)));
    const after = await memory();
    const shown = parts.map((part) => `${part} ${before[part].toFixed(0)} to ${after[part].toFixed(0)} MiB`).join(', ');
    process.stderr.write(`mcp-soak: ${resource}: ${shown}\n`);
    await user.close();
    expect(wrong).toEqual([]);
    for (const part of parts) expect(after[part], part).toBeLessThan(before[part] * maxGrowth);
  });

  it('leave no process behind', async () => {
    await until('its children are gone', () => children().length === 0, 30_000);
  });
});
