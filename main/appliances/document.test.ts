import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { FilesPort } from '../ports.ts';
import { openDocument } from './document.ts';

const kind = { schema: z.strictObject({ words: z.array(z.string()).max(3) }), initial: { words: [] as string[] } };

function memory(text: string | null = null): FilesPort & { text: string | null; isFull: boolean } {
  return {
    text,
    isFull: false,
    async read() {
      return this.text;
    },
    async write(_path, next) {
      if (this.isFull) throw new Error('no space left');
      this.text = next;
    },
    async remove() {
      this.text = null;
    },
  };
}

describe('a local document', () => {
  it('keeps every one of many changes at once', async () => {
    const files = memory();
    const document = await openDocument('/words.json', kind, files);
    await Promise.all(['a', 'b', 'c'].map((word) => document.update(({ words }) => ({ words: [...words, word] }))));
    expect((await openDocument('/words.json', kind, files)).read()).toEqual({ words: ['a', 'b', 'c'] });
  });

  it('is as before when a change does not fit or cannot be written', async () => {
    const files = memory();
    const document = await openDocument('/words.json', kind, files);
    await document.update(() => ({ words: ['a'] }));
    await expect(document.update(() => ({ words: ['a', 'b', 'c', 'd'] }))).rejects.toThrow();
    files.isFull = true;
    await expect(document.update(() => ({ words: [] }))).rejects.toThrow('no space');
    expect(document.read()).toEqual({ words: ['a'] });
  });

  it.each(['{"words":[', '{"words":["a"],"more":1}', '[]'])('is never begun anew when it is damaged: %s', async (text) => {
    await expect(openDocument('/words.json', kind, memory(text))).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT', message: '/words.json is damaged.' });
  });
});
