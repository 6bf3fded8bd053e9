// node tool-call.mjs SERVER TOOL ARGUMENTS: one call of a tool, as the job whose token is in JOB_TOKEN.
// Needs @modelcontextprotocol/client; the gateway's address in POSTERN, its authority in NODE_EXTRA_CA_CERTS.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const [server, tool, args = '{}'] = process.argv.slice(2);
const { POSTERN, JOB_TOKEN } = process.env;
const resource = `${POSTERN}/mcp/${server}`;

// RFC 7523: the job's token for one of the gateway, good for that server only
const answer = await fetch(`${POSTERN}/oauth/token`, {
  method: 'POST',
  body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: JOB_TOKEN, resource }),
});
const { access_token: token, error, error_description: description } = await answer.json();
if (!answer.ok) throw new Error(`no token: ${error}: ${description}`);

const client = new Client({ name: 'pipeline', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(new StreamableHTTPClientTransport(new URL(resource), { authProvider: { token: async () => token } }));
const { content, isError } = await client.callTool({ name: tool, arguments: JSON.parse(args) });
for (const { type, text } of content) console.log(type === 'text' ? text : `(${type})`);
await client.close();
process.exitCode = isError ? 1 : 0;
