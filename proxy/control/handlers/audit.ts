import { canonicalJson } from '../../proof/canonical.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf } from './paging.ts';

type Names = 'searchAudit' | 'tailAudit' | 'auditCheckpoint' | 'auditInclusion' | 'auditConsistency';

export function auditHandlers({ audit, mask }: Pick<ControlPorts, 'audit' | 'mask'>): Pick<Handlers, Names> {
  return {
    searchAudit: async ({ limit, cursor, code, ...filter }, { record }) => {
      const before = indexOf(cursor);
      // people search for card numbers too, in whatever field
      const query = mask(canonicalJson({ ...filter, ...(code !== undefined && { code }) }));
      await record('audit.read', { affected: 'audit', body: query });
      const { items, next } = await audit.search({ ...filter, codes: code === undefined ? null : [code] }, { limit, before });
      return { items: [...items], next: next === null ? null : String(next) };
    },
    tailAudit: async (options, { record, signal }) => {
      await record('audit.read', { affected: 'audit', body: canonicalJson({ tail: options.count, follow: options.follow }) });
      return audit.tail(options, signal);
    },
    auditCheckpoint: () => audit.checkpoint(),
    auditInclusion: ({ index, size }) => audit.inclusion(index, size ?? null),
    auditConsistency: ({ from, size }) => audit.consistency(from, size ?? null),
  };
}
