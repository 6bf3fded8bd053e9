import { safeStorage } from 'electron';
import type { KeychainPort } from '../../ports.ts';

/** Electron 43 and newer; the other calls are to go away. */
interface AsyncStorage {
  isAsyncEncryptionAvailable(): Promise<boolean>;
  encryptStringAsync(text: string): Promise<Buffer>;
  decryptStringAsync(bytes: Buffer): Promise<{ result: string }>;
}

/** Before Electron 43; still there in 45, and marked to go. */
interface SyncStorage {
  isEncryptionAvailable(): boolean;
  encryptString(text: string): Buffer;
  decryptString(bytes: Buffer): string;
}

// Linux: what Chromium does without a keyring is a fixed password
const unprotected = ['basic_text', 'unknown'];

const syncStorage: SyncStorage = safeStorage;

/** The keychain of the operating system by way of Electron: bytes go in as base64. */
export const electronKeychain: KeychainPort = {
  get backend() {
    if (process.platform === 'darwin') return 'Keychain';
    return process.platform === 'win32' ? 'DPAPI' : safeStorage.getSelectedStorageBackend();
  },
  async isProtected() {
    const storage = asyncStorage();
    const isAvailable = storage === null ? syncStorage.isEncryptionAvailable() : await storage.isAsyncEncryptionAvailable();
    return isAvailable && !unprotected.includes(this.backend);
  },
  async wrap(bytes) {
    const text = Buffer.from(bytes).toString('base64');
    return new Uint8Array(await (asyncStorage()?.encryptStringAsync(text) ?? syncStorage.encryptString(text)));
  },
  async unwrap(bytes) {
    const wrapped = Buffer.from(bytes);
    const storage = asyncStorage();
    const text = storage === null ? syncStorage.decryptString(wrapped) : (await storage.decryptStringAsync(wrapped)).result;
    return new Uint8Array(Buffer.from(text, 'base64'));
  },
};

function asyncStorage(): AsyncStorage | null {
  return 'decryptStringAsync' in safeStorage ? safeStorage : null;
}
