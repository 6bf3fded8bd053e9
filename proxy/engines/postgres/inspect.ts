import { fail } from '../../contract/errors.ts';
import type { Facts } from '../../contract/operation.ts';
import type { PostgresResource } from '../../contract/resource.ts';
import type { Credential } from '../../pipeline/engine.ts';
import { brieflyConnected, TargetCatalogues, type CatalogueLoading } from './client-catalogue.ts';
import { systemClock } from '../../lib/clock.ts';
import { ScramKeys } from './scram.ts';
import { isStatement } from './statement.ts';

const deadlineMs = 10_000;
const maxMessageBytes = 67_108_864;

/** What administration asks of this protocol outside a session. */
export interface Inspector {
  /** Logs in and out. Rejects with ERR_TARGET_UNREACHABLE. */
  probe(resource: PostgresResource, credential: Credential): Promise<void>;
  /** The facts of a statement on the target's catalogue. Rejects with the code of what could not be understood. */
  classify(resource: PostgresResource, credential: Credential, command: { database: string; statement: string }): Promise<Facts>;
}

export function createInspector(loading: CatalogueLoading): Inspector {
  const catalogues = new TargetCatalogues(loading, systemClock);
  const scramKeys = new ScramKeys();
  const connection = (resource: PostgresResource, database: string): Parameters<typeof brieflyConnected>[0] => ({
    resource,
    database,
    scramKeys,
    maxMessageBytes,
    deadlineMs,
  });
  return {
    probe: (resource, credential) => brieflyConnected(connection(resource, resource.database), credential, () => Promise.resolve()),
    async classify(resource, credential, { database, statement }) {
      const catalogue = catalogues.get(resource, database, credential.account);
      await catalogue.refresh((use) => brieflyConnected(connection(resource, database), credential, use));
      const classified = await catalogue.classifier.classify(Buffer.from(statement));
      if (!isStatement(classified)) throw fail(classified.code, { message: classified.message });
      return classified.facts;
    },
  };
}
