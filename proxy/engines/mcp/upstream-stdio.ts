import { asAppError, fail } from '../../contract/errors.ts';
import type { McpResource, McpUpstream as Configured } from '../../contract/resource.ts';
import type { Session } from '../../pipeline/engine.ts';
import { Channel } from './channel.ts';
import { maxMessageBytes } from './envelope.ts';
import type { StdioChild } from './stdio-child.ts';
import type { StdioChildren, StdioUse } from './stdio-children.ts';
import type { StdioLaunch, StdioSecret } from './stdio-launch.ts';
import type { McpUpstream } from './upstream.ts';

type StdioConfigured = Extract<Configured, { transport: 'stdio' }>;

const limits: StdioLaunch['limits'] = { maxMessageBytes, maxStderrLines: 50, memoryMiB: 2_048, cpuSeconds: null, processes: 256, openFiles: 1_024 };

/**
 * A child for one live session: in the era of sessions each session of a caller has one, else each caller and credential.
 * It ends with the session.
 */
export async function openStdio(
  children: StdioChildren,
  session: Pick<Session, 'id' | 'caller' | 'lease'>,
  resource: McpResource,
  configured: StdioConfigured,
): Promise<McpUpstream> {
  return session.lease(async ({ password, version }) => {
    const { credential } = configured;
    const secret: StdioSecret | null = credential.type === 'none' ? null : { kind: credential.type, variable: credential.variable, value: password };
    const { command, args, environment, directory, integrity, sandbox, network, readable, writable } = configured;
    const launch: StdioLaunch = { command, args, environment, secret, directory, integrity, sandbox, network, readable, writable, limits };
    const owner = `${session.caller.issuer} ${session.caller.subject}`;
    const key = { server: resource.id, principal: `${owner} ${session.id}`, owner, version: String(version) };
    const use = await children.acquire(key, launch);
    return channelOf(use, version);
  });
}

function channelOf(use: StdioUse, version: number): Channel {
  const { child } = use;
  const channel = new Channel(
    {
      send: (message) => child.send(message),
      stop: async (reason) => {
        use[Symbol.dispose]();
        await child.stop(reason);
      },
    },
    version,
  );
  child.receive((line) => received(channel, child, line));
  void child.exited.then(({ fault }) => {
    channel.ended(fault ?? fail('ERR_TARGET_UNREACHABLE', { message: 'The server ended.' }));
    use[Symbol.dispose]();
  });
  return channel;
}

/** A line that is no message ends the server: nobody could say what it belongs to. */
function received(channel: Channel, child: StdioChild, line: Uint8Array): true | Promise<void> {
  if (line.length === 0) return true;
  try {
    return channel.receive(line);
  } catch (error) {
    channel.ended(asAppError(error));
    void child.kill('it broke the protocol');
    return true;
  }
}
