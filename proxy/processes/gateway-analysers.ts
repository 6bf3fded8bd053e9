import { fail } from '../contract/errors.ts';
import type { Act, Facts, Span } from '../contract/operation.ts';
import type { PostgresResource, Resource } from '../contract/resource.ts';
import type { AnalysedSql, SqlAnalyser } from '../engines/mcp/analyse-arguments.ts';
import { brieflyConnected, TargetCatalogues, type CatalogueLoading, type Connect, type TargetCatalogue } from '../engines/postgres/client-catalogue.ts';
import { ScramKeys } from '../engines/postgres/scram.ts';
import { isStatement, type Statement } from '../engines/postgres/statement.ts';
import { systemClock, type Clock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import type { ControlPort, MaskingPort } from '../pipeline/ports.ts';

export interface AnalyserParts {
  readonly loading: CatalogueLoading;
  resource(name: string): Resource | null;
  /** control lends what an analyser of the session's resource names */
  readonly lease: ControlPort['lease'];
  readonly masking: Pick<MaskingPort, 'strays'>;
  readonly clock?: Clock;
}

const deadlineMs = 10_000;
const maxMessageBytes = 67_108_864;
/** how long after a statement that may change the catalogue it is loaded anew for each one: nobody tells when it ran */
const unsettledMs = 120_000;

/** Statements in arguments of calls, understood by the catalogue of the PostgreSQL resource that they are about. */
export function sqlAnalyser(parts: AnalyserParts): SqlAnalyser {
  const analyser = new SqlArguments(parts);
  return (statement, on, session) => analyser.analyse(statement, on, session.id);
}

type On = NonNullable<Act['object']['on']>;

class SqlArguments {
  readonly #parts: AnalyserParts;
  readonly #clock: Clock;
  readonly #catalogues: TargetCatalogues;
  readonly #scramKeys = new ScramKeys();
  readonly #alteredAt = new WeakMap<TargetCatalogue, number>();

  constructor(parts: AnalyserParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#catalogues = new TargetCatalogues(parts.loading, this.#clock);
  }

  async analyse(text: string, on: On, session: string): Promise<AnalysedSql> {
    const resource = this.#parts.resource(on.resource);
    if (resource?.protocol !== 'postgres') {
      throw fail('ERR_RESOURCE_UNKNOWN', {
        message: `The resource ${on.resource} that decides about this argument does not exist.`,
        hint: 'Ask the administrator to correct the analysers.',
      });
    }
    const catalogue = this.#catalogues.get(resource, on.database, resource.account);
    const connect = this.#connect(resource, on, session);
    if (!catalogue.isFresh || this.#clock.now() - (this.#alteredAt.get(catalogue) ?? -Infinity) < unsettledMs) await catalogue.refresh(connect);
    let statement = await classified(catalogue, text);
    if (namesUnknown(statement.facts)) {
      await catalogue.refresh(connect);
      statement = await classified(catalogue, text);
    }
    if (statement.altersCatalogue || statement.facts.effect === 'unknown') this.#alteredAt.set(catalogue, this.#clock.now());
    this.#assertNotStray(statement.facts, on);
    return { facts: factsOn(statement.facts, on), spans: statement.spans(text).map((span) => ofResource(span, on.resource)) };
  }

  #connect(resource: PostgresResource, on: On, session: string): Connect {
    const options = { resource, database: on.database, scramKeys: this.#scramKeys, maxMessageBytes, deadlineMs };
    return async (use) => {
      const { account, password, secretVersion } = await this.#parts.lease(session, on.resource);
      return brieflyConnected(options, { account, password: new Secret(password), version: secretVersion }, use);
    };
  }

  /** What is tagged there must not be copied to where it is less hidden. */
  #assertNotStray({ copies }: Facts, { resource }: On): void {
    const column = copies === undefined ? null : this.#parts.masking.strays(resource, copies);
    if (column === null) return;
    throw fail('ERR_ACCESS_DENIED', {
      message: `Values of the tagged column ${column.schema}.${column.table}.${column.column} would be stored where they are less hidden.`,
      hint: 'Tag the column they go to alike.',
    });
  }
}

async function classified(catalogue: TargetCatalogue, text: string): Promise<Statement> {
  const statement = await catalogue.classifier.classify(Buffer.from(text));
  if (!isStatement(statement)) throw fail(statement.code, { message: statement.message, detail: statement.kind });
  const { executes, prepares, deallocates, declares } = statement;
  if (executes === null && prepares === null && deallocates === null && declares === null) return statement;
  // the connection of the server is its own: nobody here knows what a name stands for there
  throw fail('ERR_FEATURE_REFUSED', { message: 'Prepared statements and cursors are refused in arguments.', detail: 'prepare' });
}

function namesUnknown({ acts }: Facts): boolean {
  return acts.some(({ object }) => object.path[0] === '?');
}

/** The same facts about another resource. Whoever may not open a session there may not reach it through a tool either. */
function factsOn({ copies: _checked, ...facts }: Facts, on: On): Facts {
  const onDatabase = (action: Act['action']): Act => ({ action, object: { type: 'Database', path: [] } });
  const isProven = facts.effect === 'none' || facts.effect === 'read';
  const named = facts.acts.length > 0 || isProven ? facts.acts : [onDatabase('sql:execute')];
  return { ...facts, acts: [onDatabase('connect'), ...named].map(({ action, object }) => ({ action, object: { ...object, on } })) };
}

function ofResource(span: Span, resource: string): Span {
  return span.kind === 'value' && span.column !== undefined ? { ...span, resource } : span;
}
