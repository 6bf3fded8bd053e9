import { relative } from 'node:path';
import { approverKeyFile } from './approver.ts';
import { posternCommand, quoted, type DemoPlace, type Step } from './steps.ts';

/** The file with the token of a principal, for clients that take one. */
export function tokenFile(dataDir: string, principal: string): string {
  return `${dataDir}/demo-${principal}.token`;
}

/** The file with the same as a header, for `curl -H @FILE`. */
export function headerFile(dataDir: string, principal: string): string {
  return `${dataDir}/demo-${principal}.header`;
}

export function curlCommand({ dataDir, webPort }: DemoPlace, principal: string, path: string): string {
  const at = `https://127.0.0.1:${String(webPort)}/http/orders${path}`;
  return `curl -sS --cacert ${quoted(`${dataDir}/tls/ca.crt`)} -H ${quoted(`@${headerFile(dataDir, principal)}`)} ${quoted(at)}`;
}

export function mcpUrl({ webPort }: DemoPlace, server: string): string {
  return `https://127.0.0.1:${String(webPort)}/mcp/${server}`;
}

/** One call with the official client. */
export function toolCommand(place: DemoPlace, principal: string, call: { server: string; tool: string; arguments: object }): string {
  const { root, cwd, dataDir } = place;
  const path = relative(cwd, `${root}/build/stage.js`);
  const stage = quoted(path.startsWith('..') ? `${root}/build/stage.js` : path);
  const ca = `NODE_EXTRA_CA_CERTS=${quoted(`${dataDir}/tls/ca.crt`)}`;
  const words = [mcpUrl(place, call.server), tokenFile(dataDir, principal), call.tool, JSON.stringify(call.arguments)].map(quoted);
  return `${ca} node ${stage} build/mcp-call.ts ${words.join(' ')}`;
}

/** The same over HTTP and MCP. */
export function webSteps(place: DemoPlace): readonly Step[] {
  const postern = posternCommand(place);
  const key = `--key-file ${quoted(approverKeyFile(place.dataDir))}`;
  const refund = (cents: number): string =>
    toolCommand(place, 'release-bot', {
      server: 'tools',
      tool: 'refund_payment',
      arguments: { payment_id: 'pay_0003', amount_cents: cents, reason: 'charged twice' },
    });
  return [
    {
      title: 'A JSON API, with curl and a token instead of its key',
      command: curlCommand(place, 'ci-runner', '/v1/orders?limit=2'),
      expect: 'card numbers as first 6 + last 4, no CVV',
    },
    {
      title: 'A tool of an MCP server, called by the official client',
      command: toolCommand(place, 'ci-runner', { server: 'tools', tool: 'search_payments', arguments: { limit: 3 } }),
      expect: 'payments with masked cards',
    },
    {
      title: 'The arguments decide: a refund that is too large',
      command: refund(900_000),
      expect: 'refused, with the reason and the hint of the policy',
    },
    {
      title: 'One call that a human approves: this exact one, once',
      command: `(${refund(100)} &); sleep 6; ${postern} requests approve last --reason 'charged twice, see the ticket' --yes ${key}; sleep 4`,
      expect: 'the signed decision, then the result of the call',
    },
  ];
}
