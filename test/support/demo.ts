import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { root } from '../../build/step.ts';

const DemoFile = z.object({
  console: z.object({ url: z.string(), caFile: z.string(), links: z.object({ olivia: z.string(), bob: z.string() }) }),
  principals: z.record(z.string(), z.object({ token: z.string() })),
  resources: z.object({ payments: z.object({ sharedPort: z.int(), port: z.int(), database: z.string() }) }),
  direct: z.object({ payments: z.object({ host: z.string(), port: z.int(), database: z.string(), user: z.string(), password: z.string() }) }),
});

/** `postern demo` as a newcomer starts it, on ports and a directory of its own. */
export interface Demo extends z.infer<typeof DemoFile> {
  readonly dataDir: string;
  /** of the processes of the service, as status.json shows them */
  pidOf(part: 'audit' | 'control' | 'gateway'): number;
  remove(): Promise<void>;
}

const upDeadlineMs = 180_000;
const stopDeadlineMs = 20_000;
const Status = z.object({ processes: z.array(z.object({ name: z.string(), pid: z.int() })) });

export async function startDemo(portBase: number): Promise<Demo> {
  const base = mkdtempSync(join(tmpdir(), 'postern-demo-'));
  const dataDir = join(base, 'data');
  const args = ['build/stage.js', 'build/start.ts', '--json', '--data', dataDir, '--port-base', String(portBase)];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const deadline = Date.now() + upDeadlineMs;
  while (!output.includes('"ready":true')) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the demo did not start: ${output}`);
    await sleep(100);
  }
  const demo = DemoFile.parse(JSON.parse(readFileSync(join(dataDir, 'demo.json'), 'utf8')));
  return {
    ...demo,
    dataDir,
    pidOf: (part) => {
      const { processes } = Status.parse(JSON.parse(readFileSync(join(dataDir, 'status.json'), 'utf8')));
      const found = processes.find(({ name }) => name === part);
      if (found === undefined) throw new Error(`no process ${part}`);
      return found.pid;
    },
    remove: async () => {
      await stop(child);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  const isLate = await Promise.race([ended.then(() => false), sleep(stopDeadlineMs, true, { ref: false })]);
  if (isLate) child.kill('SIGKILL');
}
