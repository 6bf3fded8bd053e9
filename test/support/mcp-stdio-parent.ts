import { StdioChildren } from '../../proxy/engines/mcp/stdio-children.ts';
import type { StdioLaunch } from '../../proxy/engines/mcp/stdio-launch.ts';

// Stands for the gateway in tests that kill it: starts the launches of its argument, tells each a line, says what they
// answered, and then does nothing until it is killed.

const [given = '[]', ...lines] = process.argv.slice(2);
const launches = JSON.parse(given) as StdioLaunch[];
const children = new StdioChildren({ maxChildren: 10, maxPerServer: 10, idleMs: 60_000, mask: (line) => line });

for (const [index, launch] of launches.entries()) {
  const { child } = await children.acquire({ server: `server ${index}`, principal: 'runner', version: '1' }, launch);
  child.receive((line) => process.stdout.write(`${Buffer.from(line).toString('utf8')}\n`) || true);
  for (const line of lines) await child.send(Buffer.from(line));
}
setInterval(() => undefined, 1_000);
