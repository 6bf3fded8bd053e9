// node build/stage.js build/mcp-call.ts URL TOKEN_FILE TOOL [JSON]: calls one tool with the official client, as any program would.
// The server's CA is named with NODE_EXTRA_CA_CERTS. Exit code 1: the tool, or the gateway, said no.
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [url, tokenFile, name, json = '{}'] = process.argv.slice(2);
if (url === undefined || tokenFile === undefined || name === undefined) {
  process.stderr.write('usage: node build/stage.js build/mcp-call.ts URL TOKEN_FILE TOOL [JSON]\n');
  process.exit(2);
}

const token = readFileSync(tokenFile, 'utf8').trim();
const client = new Client({ name: 'mcp-call', version: '1.0.0' });
try {
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${token}` } } }));
  const result = await client.callTool({ name, arguments: JSON.parse(json) as Record<string, unknown> });
  for (const part of result.content) process.stdout.write(`${part.type === 'text' ? part.text : `(${part.type})`}\n`);
  if (result.isError === true) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await client.close();
}
