import type { Output } from '../../../proxy/contract/api.ts';

export type Explanation = Output<'explainPolicy'>;

export interface Verdict {
  readonly tone: 'good' | 'wait' | 'bad';
  readonly word: string;
  readonly sentence: string;
}

interface Asked {
  readonly principal: string;
  readonly resource: string;
  /** empty: about connecting */
  readonly statement: string;
}

/** What the policies say, in a sentence. */
export function verdictOf({ permitted, approve, message }: Explanation, { principal, resource, statement }: Asked): Verdict {
  const what = statement.trim() === '' ? `connect to ${resource}` : `run this on ${resource}`;
  if (!permitted) return { tone: 'bad', word: 'Refused', sentence: `${principal} may not ${what}: ${ended(message)}` };
  if (approve === null) return { tone: 'good', word: 'Permitted', sentence: `${principal} may ${what}.` };
  const people = approve.needed === 1 ? `one person of ${approve.group} has approved` : `${approve.needed} people of ${approve.group} have approved`;
  return { tone: 'wait', word: 'Held', sentence: `${principal} may ${what} once ${people}.` };
}

function ended(message: string): string {
  return message === '' ? 'no policy permits it.' : /[.!?]$/.test(message) ? message : `${message}.`;
}
