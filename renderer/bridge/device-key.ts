import { fail } from '../../proxy/contract/errors.ts';
import { toBase64 } from '../../proxy/proof/bytes.ts';
import type { WitnessMemory } from '../../proxy/proof/cosignature.ts';

/** What this browser keeps of the one service it belongs to: an Ed25519 key that it cannot be talked into giving away. */
export interface DeviceKey {
  readonly service: string;
  readonly user: string;
  /** ids of the person and the key, as enrolled */
  readonly userId: string;
  readonly keyId: string;
  readonly publicKey: string;
  readonly key: CryptoKey;
}

const database = 'postern';
const store = 'device';

export function toBase64url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** A new key: the private half is not extractable, not even by this page. */
export async function makeKey(): Promise<{ key: CryptoKey; publicKey: string }> {
  try {
    const pair = await crypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign', 'verify']);
    if (!('privateKey' in pair)) throw new TypeError('no pair');
    const raw = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
    return { key: pair.privateKey, publicKey: toBase64url(raw) };
  } catch (error) {
    throw fail('ERR_INTERNAL', {
      message: 'This browser cannot make Ed25519 keys.',
      hint: 'Use a current Chromium, Firefox or Safari, over https; or the Postern app.',
      cause: error,
    });
  }
}

export async function sign(key: CryptoKey, bytes: Uint8Array): Promise<string> {
  return toBase64url(new Uint8Array(await crypto.subtle.sign({ name: 'Ed25519' }, key, copyOf(bytes))));
}

/** `publicKey`: 32 raw bytes. */
export async function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = await crypto.subtle.importKey('raw', copyOf(publicKey), { name: 'Ed25519' }, false, ['verify']);
  return crypto.subtle.verify({ name: 'Ed25519' }, key, copyOf(signature), copyOf(message));
}

/** WebCrypto wants a buffer that is not shared. */
function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

export function nonce(): string {
  return toBase64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** Reads what is kept under a name; null: nothing. */
async function read<T>(name: string): Promise<T | null> {
  const value = await request<T | undefined>('readonly', (objects) => objects.get(name) as IDBRequest<T | undefined>);
  return value ?? null;
}

async function write(name: string, value: unknown): Promise<void> {
  await request('readwrite', (objects) => objects.put(value, name));
}

async function request<T>(mode: IDBTransactionMode, act: (objects: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opened = await open();
  try {
    return await new Promise<T>((resolve, reject) => {
      // durable: a key that is enrolled and then lost would lock its person out
      const transaction = opened.transaction(store, mode, { durability: 'strict' });
      const asked = act(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(unkept(transaction.error));
    });
  } finally {
    opened.close();
  }
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(database, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(store);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(unkept(asked.error));
    asked.onblocked = () => reject(unkept(null));
  });
}

function unkept(cause: unknown): Error {
  return fail('ERR_INTERNAL', {
    message: 'This browser keeps nothing for this site.',
    hint: 'Leave the private window, or allow site data; the key lies there.',
    cause,
  });
}

export const kept = {
  key: () => read<DeviceKey>('key'),
  putKey: (key: DeviceKey) => write('key', key),
  witness: () => read<WitnessMemory>('witness'),
  putWitness: (memory: WitnessMemory) => write('witness', memory),
  async forget(): Promise<void> {
    await request('readwrite', (objects) => objects.clear());
  },
} as const;
