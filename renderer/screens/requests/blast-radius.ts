import { actionOf, objectOf } from './sentence.ts';

interface Coloured {
  readonly text: string;
  readonly kind: string;
}

export interface BlastRadius {
  /** tables and other objects, each with what is done to it, in the order of the request */
  readonly objects: readonly { readonly object: string; readonly actions: readonly string[] }[];
  /** whole: it changes or deletes rows and no WHERE stands in it; where: one does; null: it does neither */
  readonly rows: 'whole' | 'where' | null;
}

/** What a command touches, by the acts that were signed and by its own words; nothing is run for it. */
export function blastRadius(acts: readonly string[], coloured: readonly Coloured[]): BlastRadius {
  const objects = new Map<string, string[]>();
  for (const act of acts) {
    const actions = objects.get(objectOf(act)) ?? [];
    objects.set(objectOf(act), [...actions, actionOf(act)]);
  }
  const changes = acts.some((act) => actionOf(act) === 'sql:update' || actionOf(act) === 'sql:delete');
  const hasWhere = coloured.some(({ text, kind }) => kind === 'keyword' && /^where$/i.test(text.trim()));
  return {
    objects: [...objects].map(([object, actions]) => ({ object, actions: [...new Set(actions)] })),
    rows: changes ? (hasWhere ? 'where' : 'whole') : null,
  };
}
