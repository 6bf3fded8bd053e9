import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail } from '../../../proxy/contract/errors.ts';
import type { FilesPort } from '../../ports.ts';

export const nodeFiles: FilesPort = {
  async read(path, maxBytes) {
    let file;
    try {
      file = await open(path, 'r');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw fail('ERR_INVALID_INPUT', { message: `${path} is longer than ${maxBytes} bytes.` });
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  },

  async write(path, text) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },

  remove: (path) => rm(path, { force: true }),
};
