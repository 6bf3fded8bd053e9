import { setImmediate as breathe } from 'node:timers/promises';
import type { Catalogue } from './statement.ts';
import type { Entry } from './catalogue.ts';
import type { Node } from './classify-tree.ts';
import type { SqlParser } from './classify.ts';
import { analyse } from './facts.ts';
import type { Analysis } from './facts.ts';
import { unknownLineage } from './facts-lineage.ts';
import type { Lineage } from './facts-lineage.ts';

export interface ViewText {
  readonly oid: number;
  readonly text: string;
}

interface Context {
  readonly catalogue: Catalogue;
  readonly byOid: ReadonlyMap<number, Entry>;
  readonly parser: SqlParser;
}

interface ParsedView {
  readonly oid: number;
  readonly statements: readonly Node[];
}

const maxViewBytes = 64 * 1024;
/** views on views; a deeper one stays unproven */
const maxRounds = 16;
const viewsPerTurn = 20;

/** Marks the views whose text is a proven read as inert, and gives what their columns are computed from. */
export async function analyseViews(views: readonly ViewText[], context: Context): Promise<ReadonlyMap<number, Lineage>> {
  const parsed = await parseAll(views, context.parser);
  const lineages = new Map<number, Lineage>();
  let unproven = parsed;
  for (let round = 0; round < maxRounds && unproven.length > 0; round++) {
    const still: ParsedView[] = [];
    for (const [at, view] of unproven.entries()) {
      if (at % viewsPerTurn === 0) await breathe();
      const entry = context.byOid.get(view.oid);
      const analysis = safely(view, context.catalogue);
      lineages.set(view.oid, analysis?.lineage ?? unknownLineage);
      if (!isRead(analysis)) still.push(view);
      else if (entry?.kind === 'v') entry.inert = true;
    }
    if (still.length === unproven.length) break;
    unproven = still;
  }
  return lineages;
}

function isRead(analysis: Analysis | null): boolean {
  return analysis?.effect === 'read' && analysis.acts.every((act) => act.action === 'sql:select');
}

function safely(view: ParsedView, catalogue: Catalogue): Analysis | null {
  try {
    return analyse(view.statements, catalogue);
  } catch {
    // a view we cannot analyse is neither inert nor known
    return null;
  }
}

async function parseAll(views: readonly ViewText[], parser: SqlParser): Promise<readonly ParsedView[]> {
  const parsed: ParsedView[] = [];
  for (const [at, { oid, text }] of views.entries()) {
    if (at % viewsPerTurn === 0) await breathe();
    const bytes = Buffer.from(text);
    if (bytes.length === 0 || bytes.length > maxViewBytes || bytes.includes(0)) continue;
    await parser.inline.recovered();
    const result = parser.inline.parse(bytes);
    if ('statements' in result && result.statements.length === 1) parsed.push({ oid, statements: result.statements });
  }
  return parsed;
}
