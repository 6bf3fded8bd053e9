import { contextBridge, ipcRenderer, type IpcRendererEvent } from 'electron';
import { channelPrefix, invokeNames, notifyNames, versionArgument } from './contract/channels.ts';
import type { ShellBridge } from './contract/ipc.ts';

// Runs sandboxed beside the screens: the names of the table, and nothing of Electron itself, cross the bridge.
const bridge: ShellBridge = {
  appVersion: process.argv.find((argument) => argument.startsWith(versionArgument))?.slice(versionArgument.length) ?? '',
  invoke: (name, input) =>
    invokeNames.includes(name)
      ? ipcRenderer.invoke(channelPrefix + name, input)
      : Promise.resolve({ ok: false, error: { code: 'ERR_NOT_FOUND', message: 'There is no such question.' } }),
  listen: (name, listener) => {
    if (!notifyNames.includes(name)) return () => undefined;
    const told = (_event: IpcRendererEvent, value: Parameters<typeof listener>[0]): void => {
      listener(value);
    };
    ipcRenderer.on(channelPrefix + name, told);
    void ipcRenderer.invoke(`${channelPrefix}listening`, { name });
    return () => {
      ipcRenderer.off(channelPrefix + name, told);
    };
  },
};
contextBridge.exposeInMainWorld('postern', bridge);
