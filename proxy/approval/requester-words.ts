const maxComments = 8;
const comment = /--([^\n]*)|\/\*([\s\S]*?)\*\//g;

export interface RequesterWords {
  /** at most 500 characters; empty: none was given */
  readonly reason: string;
  /** at most 100 characters */
  readonly ticket: string;
}

/**
 * What the requester says in a comment of the masked command: `-- reason: a duplicate; ticket: OPS-17`. Ordinary clients
 * have no other place for it. It is the requester's own word, so it may as well stand in a text that only looks like a comment.
 */
export function requesterWords(command: string): RequesterWords {
  let reason = '';
  let ticket = '';
  let left = maxComments;
  for (const [, line = '', block = ''] of command.matchAll(comment)) {
    if (left-- === 0) break;
    reason ||= /\breason:\s*([^\s;][^;\n]{2,499})/i.exec(line + block)?.[1]?.trim() ?? '';
    ticket ||= /\bticket:\s*([^\s;]{1,100})/i.exec(line + block)?.[1] ?? '';
  }
  return { reason: reason.slice(0, 500), ticket };
}
