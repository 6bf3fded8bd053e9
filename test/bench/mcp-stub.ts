import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createInterface } from 'node:readline';

// The least that an MCP server can be, so that what stands before it is what is measured. Alone, without imports of ours.
// Arguments: `stdio`, or `http` and a port. Tools: `echo`; `statement`, 60 KB full of test card numbers; `steps`, five
// notifications of progress before its result.

interface Asked {
  readonly id?: number | string;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly message?: string }; readonly _meta?: { readonly progressToken?: unknown } };
}

const steps = 5;
const schema = { type: 'object', properties: { message: { type: 'string' } } };
const tools = ['echo', 'statement', 'steps'].map((name) => ({ name, description: `stub ${name}`, inputSchema: schema, annotations: { readOnlyHint: true } }));
const statement = Array.from(
  { length: 750 },
  (_, line) => `2026-01-${String((line % 28) + 1).padStart(2, '0')} card 4111111111111111 paid ${line} EUR to the shop number ${line}, thanks\n`,
)
  .join('')
  .slice(0, 60_000);

function resultOf({ method, params }: Asked): unknown {
  if (method === 'initialize') return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'stub', version: '1.0.0' } };
  if (method === 'tools/list') return { tools };
  if (method === 'ping') return {};
  if (method !== 'tools/call') return undefined;
  return { content: [{ type: 'text', text: params?.name === 'statement' ? statement : (params?.arguments?.message ?? '') }] };
}

/** All that is said to one message; nothing to a notification. */
function answers(text: string): readonly string[] {
  const asked = JSON.parse(text) as Asked;
  const { id, params } = asked;
  if (id === undefined) return [];
  const result = resultOf(asked);
  const last = JSON.stringify(
    result === undefined ? { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } } : { jsonrpc: '2.0', id, result },
  );
  const progressToken = params?._meta?.progressToken;
  if (params?.name !== 'steps' || progressToken === undefined) return [last];
  const told = Array.from({ length: steps }, (_, at) => ({ progressToken, progress: at + 1, total: steps, message: params.arguments?.message }));
  return [...told.map((progress) => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: progress })), last];
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'POST') {
    response.writeHead(405).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const said = answers(Buffer.concat(chunks).toString());
    if (said.length === 0) response.writeHead(202).end();
    else if (said.length === 1)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(said[0] ?? '') }).end(said[0]);
    else response.writeHead(200, { 'content-type': 'text/event-stream' }).end(said.map((each) => `data: ${each}\n\n`).join(''));
  });
}

const [mode, port] = process.argv.slice(2);
if (mode === 'http') createServer({ keepAliveTimeout: 0 }, serve).listen(Number(port), '127.0.0.1');
else createInterface({ input: process.stdin }).on('line', (line) => answers(line).forEach((each) => process.stdout.write(`${each}\n`)));
