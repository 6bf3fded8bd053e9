import { fail } from '../../contract/errors.ts';
import type { Admission, Denial, Operation, Permit } from '../../pipeline/engine.ts';
import { parseQuery, sqlNameKey } from './frames.ts';
import { describePortalFrame, flushFrame, queryFrame, report } from './messages.ts';
import type { ClientSide } from './relay-client.ts';
import { everyName } from './relay-names.ts';
import { Step, type Portal } from './relay-steps.ts';
import type { Relay } from './relay.ts';
import { denialFrame, denialOf } from './server-errors.ts';
import { isStatement, type Statement } from './statement.ts';

/** An operation on its way from the gate to the target: decided, waited for, withdrawn, forwarded or refused. */
export class Admissions {
  readonly #side: ClientSide;
  readonly #relay: Relay;
  /** set while an admitted or held operation waits; a cancel takes it back */
  #undecided: { step: Step; permit: Permit | null; withdraw: (reason: string) => void } | null = null;

  constructor(side: ClientSide) {
    this.#side = side;
    this.#relay = side.relay;
  }

  /** True when something was taken back that had not been forwarded. */
  withdraw(): boolean {
    const undecided = this.#undecided;
    if (undecided === null) return false;
    undecided.step.withdrawn = true;
    undecided.withdraw('cancelled by the caller');
    return true;
  }

  /** The session is over: nothing that waits may run any more. */
  abandon(reason: string): void {
    const undecided = this.#undecided;
    this.#undecided = null;
    undecided?.withdraw(reason);
    undecided?.permit?.settle({ status: 'failure', rows: 0, error: reason });
  }

  submit(step: Step, operation: Operation): void {
    let admission: Admission | Promise<Admission>;
    try {
      admission = this.#side.session.submit(operation);
    } catch (error) {
      this.#denied(step, denialOf(error));
      return;
    }
    if (admission instanceof Promise) {
      this.#undecided = { step, permit: null, withdraw: () => undefined };
      this.#waitFor(step, admission, operation);
    } else this.#admitted(step, admission, operation);
  }

  #waitFor(step: Step, admission: Promise<Admission>, operation: Operation): void {
    this.#side.wait(
      admission,
      (decided) => {
        this.#undecided = null;
        this.#admitted(step, decided, operation);
      },
      (error) => {
        this.#denied(step, denialOf(error));
      },
    );
  }

  #admitted(step: Step, admission: Admission, operation: Operation): void {
    switch (admission.verdict) {
      case 'refused':
        this.#denied(step, admission.denial);
        return;
      case 'held':
        this.#undecided = {
          step,
          permit: null,
          withdraw: (reason) => {
            admission.withdraw(reason);
          },
        };
        this.#tell(
          report({
            severity: 'NOTICE',
            sqlstate: '00000',
            message: `Waiting for the approval of ${admission.by}: request ${admission.request}.`,
            hint: 'Cancel (Ctrl-C) to withdraw it.',
          }),
        );
        this.#waitFor(step, this.#stillMeant(step, admission.decided, operation), operation);
        return;
      case 'waiting':
        // for callers who come back only: these keep their connection
        this.#denied(step, denialOf(fail('ERR_INTERNAL', { detail: 'an operation that waits without a connection' })));
        return;
      case 'forward':
        this.#permitted(step, admission.permit);
    }
  }

  /** While people decided, somebody may have put a view in place of a table: the texts must mean what they meant when it was asked. */
  async #stillMeant(step: Step, decided: Promise<Admission>, operation: Operation): Promise<Admission> {
    const texts = this.#textsOf(step, operation);
    const before = await this.#meaning(texts);
    const admission = await decided;
    if (admission.verdict !== 'forward') return admission;
    this.#undecided = { step, permit: admission.permit, withdraw: () => undefined };
    await this.#relay.refreshCatalogue();
    if ((await this.#meaning(texts)) === before) return admission;
    const message = 'What the names in the command mean has changed since approval was asked for.';
    admission.permit.settle({ status: 'failure', rows: 0, error: message });
    return { verdict: 'refused', denial: { code: 'ERR_NOT_APPROVED', message, hint: 'Send it again.', policies: [] } };
  }

  /** Copies: the frame's buffer is used again while people decide. */
  #textsOf({ portal, outer }: Step, { exact }: Operation): readonly Buffer[] {
    const [frame] = exact;
    const own = portal === null ? parseQuery(Buffer.from(frame ?? []), 0, frame?.length ?? 0) : portal.prepared.sql;
    const inner = outer === null ? null : this.#side.executed(outer);
    return inner === null ? [own] : [own, inner.sql];
  }

  async #meaning(texts: readonly Buffer[]): Promise<string> {
    const { catalogue } = this.#relay.parts;
    const outlines = texts.map(async (text) => {
      const classified = await catalogue.classifier.classify(text);
      if (!isStatement(classified)) return classified.code;
      const { facts, prepares } = classified;
      return [facts.acts, facts.effect, prepares?.statement.facts.acts ?? null];
    });
    return JSON.stringify(await Promise.all(outlines));
  }

  #tell(frame: Buffer): void {
    const sent = this.#side.session.reply(frame);
    if (sent !== true)
      sent.catch((error: unknown) => {
        this.#relay.fault(error);
      });
  }

  #permitted(step: Step, permit: Permit): void {
    step.permit = permit;
    if (permit.forwardable === true) {
      this.#release(step, permit);
      return;
    }
    this.#undecided = { step, permit, withdraw: () => undefined };
    this.#side.wait(
      permit.forwardable,
      () => {
        this.#undecided = null;
        this.#release(step, permit);
      },
      (error) => {
        permit.settle({ status: 'failure', rows: 0, error: 'the intent could not be recorded' });
        this.#denied(step, denialOf(error));
      },
    );
  }

  #release(step: Step, permit: Permit): void {
    if (step.withdrawn) {
      permit.settle({ status: 'failure', rows: 0, error: 'cancelled by the caller' });
      this.refuse(step, cancelled());
    } else if (this.#relay.discarding) permit.settle({ status: 'failure', rows: 0, error: 'skipped after an earlier error' });
    else if (step.portal?.binaryResults !== true || this.#binaryAllowed(step, step.portal, permit)) this.#spend(step, permit);
  }

  #spend(step: Step, permit: Permit): void {
    const { portal, outer } = step;
    if (step.describeFirst && portal !== null) this.#describe(portal);
    if (outer !== null) this.#nameChange(step, outer);
    const exact = permit.spend();
    for (const bytes of exact) this.#side.send(bytes);
    this.#relay.steps.push(step);
    this.#relay.operations++;
    this.#relay.settings.forwarded(step.statement?.facts ?? null, portal === null ? exact : [portal.prepared.sql, portal.values]);
  }

  /** SQL's PREPARE, DEALLOCATE and DECLARE share the names of the extended protocol. A portal replaced by a cursor is nobody's. */
  #nameChange(step: Step, outer: Statement): void {
    const { portals, statements } = this.#relay;
    const { segment } = step;
    if (outer.prepares !== null)
      step.changes(
        statements.propose(
          sqlNameKey(outer.prepares.name),
          this.#side.extended.preparedInSql(outer, outer.prepares.statement, step.sql ?? Buffer.alloc(0)),
          segment,
        ),
      );
    else if (outer.declares !== null) step.changes(portals.propose(outer.declares === '*' ? everyName : sqlNameKey(outer.declares), null, segment));
    else if (outer.deallocates !== null) step.changes(statements.propose(outer.deallocates === '*' ? everyName : sqlNameKey(outer.deallocates), null, segment));
  }

  #binaryAllowed(step: Step, portal: Portal, permit: Permit): boolean {
    const { prepared, description } = portal;
    if (prepared.binaryVerified || description === null || step.statement === null) return true;
    const described = this.#relay.shapeOf(step.statement, description);
    if (described === null) {
      // the catalogue is loaded first; a masked column that then turns up ends the session
      return true;
    }
    try {
      step.masker = permit.masker(described.shape);
      step.columns = described.shape.columns.length;
      prepared.binaryVerified = true;
      return true;
    } catch (error) {
      const denial = denialOf(error);
      permit.settle({ status: 'failure', rows: 0, error: denial.message });
      this.refuse(step, denialFrame(denial));
      return false;
    }
  }

  #denied(step: Step, denial: Denial): void {
    this.#undecided = null;
    this.refuse(step, step.withdrawn ? cancelled() : denialFrame(denial));
  }

  /** Binary results are looked at before the statement runs: a masked column in binary must refuse it, not break it off. */
  probe(step: Step, portal: Portal, frame: Buffer): void {
    const submit = (): void => {
      if (!this.#relay.discarding) this.submit(step, this.#side.executeOperation(portal, step.statement ?? portal.prepared.statement, frame));
    };
    if (step.describeFirst) this.#describe(portal);
    step.describeFirst = false;
    if (portal.answered) {
      submit();
      return;
    }
    this.#side.send(flushFrame);
    const described: PromiseWithResolvers<void> = Promise.withResolvers();
    portal.onDescribed = described.resolve;
    this.#side.wait(described.promise, submit);
  }

  #describe(portal: Portal): void {
    const step = new Step('describe-portal', this.#relay.segment);
    step.portal = portal;
    step.hidden = true;
    portal.described = true;
    portal.answered = false;
    portal.describedAt = this.#relay.operations;
    this.#side.forward(step, describePortalFrame(portal.name));
  }

  /** The target is asked for a name nobody has, and its own error goes to the client with the client's name in it. */
  refuseUnknown(step: Step, frame: Buffer, name: string): void {
    const relay = this.#relay;
    this.#side.session.refuse({ code: 'ERR_FEATURE_REFUSED', exact: [frame], kind: 'unknown name' });
    if (step.kind === 'parse') {
      this.refuse(step, report({ severity: 'ERROR', sqlstate: '26000', message: `prepared statement "${name}" does not exist` }));
      return;
    }
    const poison = new Step(step.kind === 'query' ? 'poison-query' : 'poison', step.segment);
    poison.unknown = name;
    this.#side.forward(poison, step.kind === 'query' ? queryFrame(`EXECUTE ${relay.nobody}`) : relay.poisonExecute);
    if (step.kind !== 'query') relay.discarding = true;
  }

  /**
   * The target gets something in place of the refused frame that must fail there, and the client gets our error in place
   * of the target's: both sides are in the same state afterwards, inside a transaction or a pipeline as anywhere.
   */
  refuse(step: Step, error: Buffer): void {
    const relay = this.#relay;
    if (relay.discarding) return;
    const poison = new Step(step.kind === 'query' ? 'poison-query' : 'poison', step.segment);
    poison.replacement = error;
    this.#side.forward(poison, step.kind === 'query' ? relay.poisonQuery : relay.poisonExecute);
    if (step.kind !== 'query') relay.discarding = true;
  }
}

function cancelled(): Buffer {
  return report({ severity: 'ERROR', sqlstate: '57014', message: 'canceling statement due to user request' });
}
