import { presentableDiff } from '@codemirror/merge';
import type { ApprovalRequest, CanonicalRequest, HiddenValue } from '../../../proxy/contract/approval-request.ts';
import type { Range } from './command-lines.ts';

export interface ComparedFact {
  readonly name: string;
  readonly other: string;
  readonly mine: string;
}

export interface ComparedValue {
  readonly position: number;
  readonly type: string;
  /** null: that request has no hidden value at this place */
  readonly other: string | null;
  readonly mine: string | null;
  readonly same: boolean;
}

export interface Comparison {
  /** what differs besides the command */
  readonly facts: readonly ComparedFact[];
  readonly values: readonly ComparedValue[];
  /** nothing-hidden: both show all of their values; unknown: marks of two requesters cannot be compared */
  readonly hidden: 'nothing-hidden' | 'same' | 'different' | 'unknown';
  readonly sameText: boolean;
  /** ranges of the commands that differ; hidden values with other marks among them, even where the text is the same */
  readonly changedOther: readonly Range[];
  readonly changedMine: readonly Range[];
  /** one sentence */
  readonly says: string;
}

type Operation = Extract<CanonicalRequest['subject'], { kind: 'operation' }>;

/** Beyond this many characters only whole commands are compared: a diff must not stall the screen. */
const maxDiffedChars = 40_000;

/** What differs between the request that is open (`mine`) and another operation of the same or another requester. */
export function compareRequests(mine: ApprovalRequest, other: ApprovalRequest): Comparison | null {
  const [a, b] = [other.canonical.subject, mine.canonical.subject];
  if (a.kind !== 'operation' || b.kind !== 'operation') return null;
  const sameText = a.command === b.command;
  const changes = sameText ? [] : diff(a.command, b.command);
  const hidden = hiddenState(mine, other);
  const facts = factsOf(mine, other);
  return {
    facts,
    values: valuesOf(a.hidden, b.hidden),
    hidden,
    sameText,
    changedOther: changes.map(({ other: range }) => range),
    changedMine: changes.map(({ mine: range }) => range),
    says: sentence(sameText, hidden, facts.length),
  };
}

function diff(a: string, b: string): readonly { other: Range; mine: Range }[] {
  if (a.length + b.length > maxDiffedChars) return [{ other: { from: 0, to: a.length }, mine: { from: 0, to: b.length } }];
  return presentableDiff(a, b).map(({ fromA, toA, fromB, toB }) => ({ other: { from: fromA, to: toA }, mine: { from: fromB, to: toB } }));
}

function operationOf({ canonical }: ApprovalRequest): Operation | null {
  return canonical.subject.kind === 'operation' ? canonical.subject : null;
}

/** Marks are made per requester, over all hidden values of a command together, while a gateway runs. */
function hiddenState(mine: ApprovalRequest, other: ApprovalRequest): Comparison['hidden'] {
  const [a, b] = [operationOf(other)?.hidden ?? [], operationOf(mine)?.hidden ?? []];
  if (a.length === 0 && b.length === 0) return 'nothing-hidden';
  const one = mine.canonical.principal;
  const two = other.canonical.principal;
  if (one.issuer !== two.issuer || one.subject !== two.subject) return 'unknown';
  return valuesOf(a, b).every(({ same }) => same) ? 'same' : 'different';
}

function valuesOf(other: readonly HiddenValue[], mine: readonly HiddenValue[]): readonly ComparedValue[] {
  const [theirs, ours] = [byPosition(other), byPosition(mine)];
  const positions = [...new Set([...theirs.keys(), ...ours.keys()])].toSorted((a, b) => a - b);
  return positions.map((position) => {
    const [a, b] = [theirs.get(position), ours.get(position)];
    return { position, type: (b ?? a)?.type ?? '', other: a?.mark ?? null, mine: b?.mark ?? null, same: a !== undefined && a.mark === b?.mark };
  });
}

function byPosition(values: readonly HiddenValue[]): ReadonlyMap<number, HiddenValue> {
  return new Map(values.map((value) => [value.position, value]));
}

function factsOf(mine: ApprovalRequest, other: ApprovalRequest): readonly ComparedFact[] {
  const [a, b] = [factList(other), factList(mine)];
  return b.map(([name, value], at) => ({ name, mine: value, other: a[at]?.[1] ?? '' })).filter(({ mine: one, other: two }) => one !== two);
}

function factList(request: ApprovalRequest): readonly (readonly [name: string, value: string])[] {
  const { principal, terms, policies, policyVersion } = request.canonical;
  return [
    ['Requester', principal.name],
    ...operationFacts(operationOf(request)),
    ['Asked of', `${terms.needed} of ${terms.group}`],
    ['Policies', policies.join(', ')],
    ['Policy version', policyVersion],
    ['Ticket', request.ticket],
    ['Requester’s reason', request.reason],
  ];
}

function operationFacts(subject: Operation | null): readonly (readonly [name: string, value: string])[] {
  if (subject === null) return [];
  const { resource, database, account, searchPath, origin, session, acts } = subject;
  return [
    ['Resource', resource],
    ['Database', database],
    ['Account', account],
    ['Search path', searchPath],
    ['Origin', origin],
    ['Session', session],
    ['Acts', acts.join(', ')],
  ];
}

function sentence(sameText: boolean, hidden: Comparison['hidden'], facts: number): string {
  const text = sameText ? 'The visible text is the same' : 'The visible text differs';
  if (hidden === 'different') return `${text}${sameText ? ', but' : ', and'} the hidden values differ: it is not the same command.`;
  if (hidden === 'unknown') return `${text}. Hidden values of two requesters cannot be compared.`;
  const values = hidden === 'same' ? ' and so are all hidden values' : '';
  if (!sameText) return `${text}.${hidden === 'same' ? ' The hidden values are the same.' : ''}`;
  return facts === 0 ? `${text}${values}: the same command again.` : `${text}${values}; what is listed below differs.`;
}
