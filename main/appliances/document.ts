import { Low, type Adapter } from 'lowdb';
import { z } from 'zod';
import { fail } from '../../proxy/contract/errors.ts';
import type { FilesPort } from '../ports.ts';

/** A small document of the app, held in memory and written whole. */
export interface LocalDocument<T> {
  read(): T;
  /** Durable when it resolves; one change after the other. When it rejects the document is as before. */
  update(change: (current: T) => T): Promise<T>;
}

const maxBytes = 8 * 1_048_576;

/**
 * Opens the document at `path`, or begins with `initial`. Throws ERR_INVALID_INPUT when the file does not fit the schema: what
 * guards keys and memories of logs is never silently begun anew.
 */
export async function openDocument<T>(path: string, kind: { schema: z.ZodType<T>; initial: T }, files: FilesPort): Promise<LocalDocument<T>> {
  const adapter: Adapter<T> = {
    read: async () => {
      const text = await files.read(path, maxBytes);
      return text === null ? null : parsed(text, kind.schema, path);
    },
    write: (value) => files.write(path, `${JSON.stringify(value, null, 2)}\n`),
  };
  const document = new Low(adapter, kind.initial);
  await document.read();
  let last: Promise<unknown> = Promise.resolve();
  return {
    read: () => structuredClone(document.data),
    update(change) {
      const done = last.then(async () => {
        const before = document.data;
        document.data = kind.schema.parse(change(structuredClone(before)));
        try {
          await document.write();
        } catch (error) {
          document.data = before;
          throw error;
        }
        return structuredClone(document.data);
      });
      last = done.catch(() => undefined);
      return done;
    },
  };
}

function parsed<T>(text: string, schema: z.ZodType<T>, path: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw fail('ERR_INVALID_INPUT', {
      message: `${path} is damaged.`,
      hint: 'Put back an earlier copy, or move the file away and enrol again with a new invitation.',
      cause: error,
    });
  }
}
