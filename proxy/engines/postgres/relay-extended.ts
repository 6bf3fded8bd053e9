import type { Denial } from '../../pipeline/engine.ts';
import { parseBind, parseParse, parseSubject, type ParseMessage } from './frames.ts';
import { frontend } from './messages.ts';
import type { ClientSide } from './relay-client.ts';
import { ParseOperation } from './relay-shown.ts';
import { Step, type Portal, type Prepared } from './relay-steps.ts';
import { denialFrame, denialOf } from './server-errors.ts';
import { isStatement, type Classified, type Classifier, type Statement } from './statement.ts';

/** per session; a client that needs more is out of control */
const maxStatements = 10_000;
const maxPortals = 50_000;
const unnamed = Buffer.alloc(0);

/** Parse, Bind, Describe, Close and Flush: no effect of their own, but they say what a later Execute will do. */
export class Extended {
  readonly #side: ClientSide;

  constructor(side: ClientSide) {
    this.#side = side;
  }

  frame(type: number, frame: Buffer): void {
    switch (type) {
      case frontend.parse:
        this.#parse(this.#side.relay.name.kept(frame));
        return;
      case frontend.bind:
        this.#bind(frame);
        return;
      case frontend.describe:
        this.#describe(frame);
        return;
      case frontend.close:
        this.#close(frame);
        return;
      default:
        // Flush
        this.#side.send(frame);
    }
  }

  #parse(frame: Buffer): void {
    const message = parseParse(frame, 0, frame.length);
    this.#side.classify(message.sql, frame, (classified, kept) => {
      this.#parseClassified(classified, kept, kept === frame ? message : parseParse(kept, 0, kept.length));
    });
  }

  #parseClassified(classified: Classified, frame: Buffer, message: ParseMessage): void {
    const side = this.#side;
    const { session, relay } = side;
    if (relay.discarding) return;
    const step = new Step('parse', relay.segment);
    if (!isStatement(classified)) {
      side.admissions.refuse(step, denialFrame(session.refuse({ ...classified, exact: [frame] })));
      return;
    }
    const effective = side.effective(classified, step, frame, (kept) => {
      this.#parseClassified(classified, kept, parseParse(kept, 0, kept.length));
    });
    if (effective === null) return;
    const denial = this.#check(new ParseOperation(classified, effective.facts, { frame, sql: message.sql })) ?? this.#tooMany();
    if (denial !== null) {
      side.admissions.refuse(step, denialFrame(denial));
      return;
    }
    const prepared: Prepared = {
      statement: classified,
      classifier: relay.parts.catalogue.classifier,
      sql: Buffer.from(message.sql),
      inner: false,
      types: message.types,
      spans: null,
      binaryVerified: false,
      renames: relay.name.asked,
    };
    side.forward(step.changes(relay.statements.propose(message.name, prepared, relay.segment)), frame);
  }

  #check(operation: ParseOperation): Denial | null {
    try {
      return this.#side.session.check(operation);
    } catch (error) {
      return denialOf(error);
    }
  }

  #tooMany(): Denial | null {
    if (this.#side.relay.statements.size < maxStatements) return null;
    return {
      code: 'ERR_FEATURE_REFUSED',
      message: `This session has ${String(maxStatements)} prepared statements.`,
      hint: 'Close those that are not needed.',
      policies: [],
    };
  }

  #bind(frame: Buffer): void {
    const side = this.#side;
    const { relay } = side;
    const message = parseBind(frame, 0, frame.length);
    const prepared = relay.statements.find(message.statement, relay.segment);
    const step = new Step('bind', relay.segment);
    if (prepared === 'unsettled') {
      const kept = Buffer.from(frame);
      side.whenSettled(() => {
        this.#bind(kept);
      });
      return;
    }
    if (prepared === undefined) {
      // fails at the target in its own words; should it know the name (a function may have made it), the portal is still nobody's
      side.forward(step.changes(relay.portals.propose(message.portal, null, relay.segment)), frame);
      return;
    }
    if (relay.portals.size >= maxPortals) {
      side.admissions.refuse(
        step,
        denialFrame({
          code: 'ERR_FEATURE_REFUSED',
          message: `This transaction has ${String(maxPortals)} portals.`,
          hint: 'Close those that are not needed.',
          policies: [],
        }),
      );
      return;
    }
    const portal: Portal = {
      prepared,
      name: message.portalName.length === 0 ? unnamed : Buffer.from(message.portalName),
      values: Buffer.from(frame.subarray(message.values)),
      binaryResults: message.binaryResults,
      described: false,
      describedAt: 0,
      answered: false,
      description: null,
      onDescribed: null,
    };
    // planning can fail, too
    step.statement = prepared.statement;
    side.forward(step.changes(relay.portals.propose(message.portal, portal, relay.segment)), frame);
  }

  #describe(frame: Buffer): void {
    const { relay } = this.#side;
    const subject = parseSubject(frame, 0, frame.length);
    const step = new Step(subject.kind === 'portal' ? 'describe-portal' : 'describe-statement', relay.segment);
    if (subject.kind === 'portal') {
      const portal = relay.portals.find(subject.name, relay.segment);
      if (portal !== undefined && portal !== 'unsettled') {
        step.portal = portal;
        portal.described = true;
        portal.answered = false;
        portal.describedAt = relay.operations;
      }
    } else {
      const prepared = relay.statements.find(subject.name, relay.segment);
      if (prepared !== undefined && prepared !== 'unsettled') step.prepared = prepared;
    }
    this.#side.forward(step, frame);
  }

  #close(frame: Buffer): void {
    const { relay } = this.#side;
    const { kind, name } = parseSubject(frame, 0, frame.length);
    const step = new Step('close', relay.segment);
    if (kind === 'statement') step.changes(relay.statements.propose(name, null, relay.segment));
    else step.changes(relay.portals.propose(name, null, relay.segment));
    this.#side.forward(step, frame);
  }

  /**
   * The statement under the newest catalogue: names may mean something else now, and what was proven may not hold.
   * Null: it is classified in a worker, then `retry`.
   */
  current(prepared: Prepared, frame: Buffer, retry: (kept: Buffer) => void): Classified | null {
    const { classifier } = this.#side.relay.parts.catalogue;
    if (prepared.classifier === classifier) return prepared.statement;
    const classified = classifier.classify(prepared.sql);
    if (!(classified instanceof Promise)) return renew(prepared, classified, classifier);
    const kept = Buffer.from(frame);
    this.#side.wait(classified, (value) => {
      renew(prepared, value, classifier);
      retry(kept);
    });
    return null;
  }

  /** What SQL's PREPARE makes; `sql` is the whole text. */
  preparedInSql(outer: Statement, inner: Statement, sql: Buffer): Prepared {
    const { classifier } = this.#side.relay.parts.catalogue;
    return { statement: inner, classifier, sql, inner: true, types: [], spans: outer.spans(sql.toString('utf8')), binaryVerified: false, renames: null };
  }
}

function renew(prepared: Prepared, classified: Classified, classifier: Classifier): Classified {
  if (!isStatement(classified)) return classified;
  prepared.statement = prepared.inner ? (classified.prepares?.statement ?? classified) : classified;
  prepared.classifier = classifier;
  prepared.binaryVerified = false;
  return prepared.statement;
}
