import { asAppError, fail } from '../../proxy/contract/errors.ts';
import { invokeNames, type InvokeName } from '../contract/channels.ts';
import { ipc, type Answer, type InvokeOutput, type InvokeParsed, type IpcError } from '../contract/ipc.ts';
import type { LogPort } from '../ports.ts';
import { appOrigin } from '../shell/screens.ts';

/** One function for each question of the table; a missing one does not compile. */
export type IpcHandlers = { readonly [K in InvokeName]: (input: InvokeParsed<K>) => InvokeOutput<K> | Promise<InvokeOutput<K>> };

/** Who asks, as Electron tells. */
export interface Sender {
  readonly isTopFrame: boolean;
  readonly url: string;
}

/** Only the top frame of our own screens is answered: a frame or a page that came here otherwise gets nothing. */
export function isOurs(sender: Sender): boolean {
  if (!sender.isTopFrame || !URL.canParse(sender.url)) return false;
  const { protocol, host, username, password, port } = new URL(sender.url);
  return `${protocol}//${host}` === appOrigin && username === '' && password === '' && port === '';
}

/** Answers one question: sender, then input, then the handler. Never throws and never shows a stack. */
export async function answerTo(asked: { name: string; input: unknown; sender: Sender }, handlers: IpcHandlers, log: LogPort): Promise<Answer<unknown>> {
  try {
    if (!isOurs(asked.sender)) throw fail('ERR_FORBIDDEN', { message: 'This page may not ask the app for anything.', detail: `asked by ${asked.sender.url}` });
    const name = nameOf(asked.name);
    const parsed = ipc[name].input.safeParse(asked.input);
    if (!parsed.success) {
      throw fail('ERR_INVALID_INPUT', {
        faults: parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.').slice(0, 200), message })),
      });
    }
    // the row of the table gave this input its type
    const handler = handlers[name] as (input: unknown) => unknown;
    return { ok: true, value: await handler(parsed.data) };
  } catch (error) {
    return { ok: false, error: crossing(error, log) };
  }
}

/** The error as it may leave this process; what is private goes to the app's log. */
export function crossing(error: unknown, log: LogPort): IpcError {
  const { code, message, hint, faults, detail } = asAppError(error);
  if (detail !== undefined) log.line(`${code}: ${detail}`);
  return { code, message, ...(hint !== undefined && { hint }), ...(faults !== undefined && { faults }) };
}

function nameOf(name: string): InvokeName {
  const known = invokeNames.find((candidate) => candidate === name);
  if (known === undefined) throw fail('ERR_NOT_FOUND', { message: 'There is no such question.' });
  return known;
}
