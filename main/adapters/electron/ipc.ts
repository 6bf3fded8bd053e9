import { ipcMain } from 'electron';
import { channelPrefix, invokeNames } from '../../contract/channels.ts';
import type { Answer } from '../../contract/ipc.ts';
import type { Sender } from '../../ipc/answer.ts';

/** Registers every question of the table; who asks is told with it, and no other channel exists. */
export function answerScreens(answer: (asked: { name: string; input: unknown; sender: Sender }) => Promise<Answer<unknown>>): void {
  for (const name of invokeNames) {
    ipcMain.handle(channelPrefix + name, ({ senderFrame }, input: unknown) => {
      const sender = senderFrame === null ? { isTopFrame: false, url: '' } : { isTopFrame: senderFrame.parent === null, url: senderFrame.url };
      return answer({ name, input, sender });
    });
  }
}
