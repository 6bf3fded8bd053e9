import { maskTextCounted } from '../../masking/text.ts';
import type { Handlers } from '../context.ts';

/** The detector that gateways mask with, on a text of the caller's; nothing is kept. */
export function maskingHandlers(): Pick<Handlers, 'tryMasking'> {
  return {
    tryMasking: ({ text }) => {
      const { masked, found } = maskTextCounted(text);
      return { masked, found: [...found].map(([rule, count]) => ({ rule, count })) };
    },
  };
}
