import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProcess } from '../proxy/cli/index.ts';

// `npm start`: the demo with its console. The bundler runs in a process of its own: in this one, which becomes the service's,
// nothing may turn a string into code. Its words go to standard error, so that `--json` stays JSON.
const built = spawnSync(process.execPath, [fileURLToPath(new URL('./console.ts', import.meta.url))], { stdio: ['ignore', 2, 2] });
if (built.status !== 0) process.stderr.write('postern: the console could not be built, so the demo goes on without it.\n');
await runProcess(['demo', ...process.argv.slice(2)]);
