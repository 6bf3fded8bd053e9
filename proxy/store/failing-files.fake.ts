import { nodeFiles, type Files } from './files.ts';

/**
 * Files for tests: the `at`-th change fails, and every one after it, as if the machine had stopped there. A failing write
 * leaves half of its bytes. `changes` counts what was asked for.
 */
export function filesStoppingAt(at: number): Files & { readonly changes: number } {
  const state = { changes: 0 };
  const step = (): void => {
    state.changes += 1;
    // eslint-disable-next-line no-restricted-syntax -- what node:fs throws
    if (state.changes > at) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return {
    get changes() {
      return state.changes;
    },
    async create(path, mode) {
      step();
      const file = await nodeFiles.create(path, mode);
      return {
        async write(bytes) {
          if (state.changes >= at) await file.write(bytes.subarray(0, bytes.length >> 1));
          step();
          await file.write(bytes);
        },
        async sync() {
          step();
          await file.sync();
        },
        close: () => file.close(),
      };
    },
    async rename(from, to) {
      step();
      await nodeFiles.rename(from, to);
    },
    async remove(path) {
      step();
      await nodeFiles.remove(path);
    },
    async makeDirectory(path) {
      step();
      await nodeFiles.makeDirectory(path);
    },
    async syncDirectory(path) {
      step();
      await nodeFiles.syncDirectory(path);
    },
  };
}
