import { type DetailedError, type PolicyJson, checkParsePolicySet, policyToJson, validate } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyFile } from '../contract/snapshot.ts';
import type { ApprovalTerms } from '../contract/approval-request.ts';
import { contradictions, readAnnotations, termsOf } from './annotations.ts';
import { actionEntity } from './entity.ts';
import { type Head, headOf } from './head.ts';
import { type Reads, holders, namedHolder, readsOf, recordAttributes } from './reads.ts';
import { actionTable, cedarSchema } from './schema.ts';
import { type PolicySource, charactersAt, positionAt, splitPolicies } from './source.ts';

/** Where and why a policy is not accepted. Lines and columns count from 1. */
export interface PolicyFault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string | null;
}

/** One policy that parsed, validated and carries a unique name. */
export interface Policy {
  /** its @id, or `file#n` */
  readonly name: string;
  readonly effect: 'permit' | 'forbid';
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly message: string;
  readonly hint: string;
  /** people who must approve what it permits; null: nobody */
  readonly approve: ApprovalTerms | null;
  readonly head: Head;
  /** what of the context its conditions may read */
  readonly reads: Reads;
}

/** A validated policy set; plain and immutable, so it may be kept, compared and dropped. */
export interface CompiledPolicies {
  readonly policies: readonly Policy[];
  readonly byName: ReadonlyMap<string, Policy>;
}

export type Compilation = { readonly ok: true; readonly compiled: CompiledPolicies } | { readonly ok: false; readonly faults: readonly PolicyFault[] };

const limits = { files: 500, policies: 5000, faults: 50 } as const;

interface Parsed {
  readonly file: PolicyFile;
  readonly source: PolicySource;
  readonly json: PolicyJson;
}

/** Parses, validates against the schema and names every policy. All faults are reported (at most 50), none is thrown. */
export function compilePolicies(files: readonly PolicyFile[]): Compilation {
  const faults = fileFaults(files);
  const parsed = faults.length > 0 ? [] : files.flatMap((file) => parseFile(file, faults));
  if (faults.length === 0 && parsed.length > 0) faults.push(...validationFaults(parsed));
  if (parsed.length > limits.policies) faults.push(whole(parsed.at(-1)?.file.name ?? '', `at most ${limits.policies} policies are accepted`));
  const policies = new Map<string, Policy>();
  const counts = new Map<string, number>();
  for (const entry of parsed) {
    const number = (counts.get(entry.file.name) ?? 0) + 1;
    counts.set(entry.file.name, number);
    const policy = toPolicy(entry, `${entry.file.name}#${number}`, faults);
    if (policy === null) continue;
    const twin = policies.get(policy.name);
    if (twin === undefined) policies.set(policy.name, policy);
    else faults.push(at(entry, 'id', `the id ${policy.name} is already used in ${twin.file} line ${twin.line}`));
  }
  if (faults.length > 0) return { ok: false, faults: inOrder(files, faults).slice(0, limits.faults) };
  return { ok: true, compiled: { policies: [...policies.values()], byName: policies } };
}

/** `file:line:column: message; hint`. */
export function faultText({ file, line, column, message, hint }: PolicyFault): string {
  return `${file}:${line}:${column}: ${message}${hint === null ? '' : `; ${hint}`}`;
}

function inOrder(files: readonly PolicyFile[], faults: readonly PolicyFault[]): PolicyFault[] {
  const order = new Map(files.map(({ name }, index) => [name, index]));
  return faults.toSorted((a, b) => (order.get(a.file) ?? -1) - (order.get(b.file) ?? -1) || a.line - b.line || a.column - b.column);
}

function whole(file: string, message: string): PolicyFault {
  return { file, line: 1, column: 1, message, hint: null };
}

function fileFaults(files: readonly PolicyFile[]): PolicyFault[] {
  const faults: PolicyFault[] = [];
  const seen = new Set<string>();
  for (const { name } of files) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]{0,120}$/.test(name))
      faults.push(whole(name.slice(0, 121), 'the file name must be letters, digits, dot, dash, slash and underscore'));
    if (seen.has(name)) faults.push(whole(name, 'two files have this name'));
    seen.add(name);
  }
  if (files.length > limits.files) faults.push(whole('', `at most ${limits.files} files are accepted`));
  return faults;
}

/** The policies of one file, as far as they parse; faults are added to `faults`. */
function parseFile(file: PolicyFile, faults: PolicyFault[]): Parsed[] {
  const split = splitPolicies(file.text);
  if ('offset' in split) {
    faults.push({ ...whole(file.name, split.message), ...positionAt(file.text, split.offset) });
    return [];
  }
  const syntax = checkParsePolicySet({ staticPolicies: file.text });
  const errors = syntax.type === 'failure' ? flatten(syntax.errors).filter(({ sourceLocations }) => sourceLocations?.[0] !== undefined) : [];
  if (errors.length > 0) {
    faults.push(...errors.map((error) => located(file, 0, error)));
    return [];
  }
  const before = faults.length;
  const parsed = split.policies.flatMap((source) => parsePolicy(file, source, faults));
  // a fault of the set that no single policy shows
  if (syntax.type === 'failure' && faults.length === before) faults.push(...flatten(syntax.errors).map((error) => located(file, 0, error)));
  return parsed;
}

function parsePolicy(file: PolicyFile, source: PolicySource, faults: PolicyFault[]): Parsed[] {
  const answer = policyToJson(source.text);
  if (answer.type === 'success') return [{ file, source, json: answer.json }];
  faults.push(...flatten(answer.errors).map((error) => located(file, source.start, error)));
  return [];
}

/** All files in one call, because Cedar reads the schema anew each time. */
function validationFaults(parsed: readonly Parsed[]): PolicyFault[] {
  const byId = new Map(parsed.map((entry, index) => [`policy${index}`, entry]));
  const staticPolicies = Object.fromEntries(parsed.map(({ source }, index) => [`policy${index}`, source.text]));
  const answer = validate({ schema: cedarSchema, policies: { staticPolicies } });
  if (answer.type === 'failure') return flatten(answer.errors).map((error) => whole('', wording(error)));
  // a warning is a policy that never applies, or text that looks like other text: both mean that it does not do what it says
  const faults = [...answer.validationErrors, ...answer.validationWarnings].flatMap(({ policyId, error }) => {
    const entry = byId.get(policyId);
    return flatten([error]).map((one) => (entry === undefined ? whole('', wording(one)) : located(entry.file, entry.source.start, one)));
  });
  const all = [...faults, ...flatten(answer.otherWarnings).map((error) => whole('', wording(error)))];
  // one fault shows once per combination of action and object
  return [...new Map(all.map((fault) => [faultText(fault), fault])).values()];
}

/** `start`: UTF-16 offset of the text that Cedar was given. */
function located(file: PolicyFile, start: number, error: DetailedError): PolicyFault {
  const [label] = error.sourceLocations ?? [];
  const place = start + (label === undefined ? 0 : charactersAt(file.text.slice(start), label.start));
  const expected = label?.label ?? '';
  const hint = elsewhere(unnumbered(error)) === null ? error.help : null;
  return { ...whole(file.name, expected === '' ? wording(error) : `${wording(error)} (${expected})`), ...positionAt(file.text, place), hint };
}

function flatten(errors: readonly DetailedError[]): DetailedError[] {
  return errors.flatMap((error) => [error, ...flatten(error.related ?? [])]);
}

function wording(error: DetailedError): string {
  const plain = unnumbered(error);
  return elsewhere(plain) ?? plain;
}

/** Cedar's numbering of unnamed policies and its own prefixes say nothing to the author, who gets line and column. */
function unnumbered({ message }: DetailedError): string {
  return message.replace(/^for policy `policy\d+`, /, '').replace(/^failed to parse polic(?:y|ies) from string: /, '');
}

const advice = {
  Command: 'statements have it and calls do not; name their actions in the head, such as action in Action::"sql"',
  Call: 'calls have it and statements do not; name their actions in the head, such as action in [Action::"mcp", Action::"http"]',
} as const;

/** An attribute of the other kind of command, which Cedar names once for each action that lacks it. */
function elsewhere(message: string): string | null {
  const [, attribute, action = ''] = /^attribute `(\w+)` in context for Action::"([^"]+)" not found/.exec(message) ?? [];
  const kind = Object.entries(actionTable).find(([name]) => name === action)?.[1].context;
  if (kind === undefined) return null;
  const other = kind === 'Command' ? 'Call' : 'Command';
  const isThere = recordAttributes[other].some((name) => name === attribute);
  return isThere ? `attribute \`${attribute ?? ''}\` in context: ${advice[other]}` : null;
}

function toPolicy(entry: Parsed, fallback: string, faults: PolicyFault[]): Policy | null {
  const { file, source, json } = entry;
  const result = readAnnotations(json.annotations ?? {});
  if ('faults' in result) {
    faults.push(...result.faults.map((fault) => at(entry, fault.annotation, fault.message)));
    return null;
  }
  const { id = fallback, message = '', hint = '' } = result.annotations;
  const { line } = positionAt(file.text, source.start);
  const approve = termsOf(result.annotations);
  const head = headOf(json);
  const wrong = [...contradictions(result.annotations, json.effect), ...(approve === null ? [] : unapprovable(head))];
  faults.push(...wrong.map((fault) => at(entry, fault.annotation, fault.message)));
  const holder = namedHolder(json);
  if (holder !== null) faults.push(at(entry, 'permit', `${holder} cannot be named; write context.${holder === holders.arguments ? 'arguments' : 'numbers'}`));
  return { name: id, effect: json.effect, file: file.name, line, text: source.text, message, hint, approve, head, reads: readsOf(json) };
}

/** Nobody waits while a session is opened or a result is masked: a permit for these cannot ask people. */
function unapprovable({ action }: Head): { annotation: string; message: string }[] {
  const instant = (['connect', 'field:unmask', 'access:break-glass'] as const).filter((name) => action(actionEntity(name)));
  if (instant.length === 0) return [];
  return [
    { annotation: 'approve', message: `@approve is not possible for ${instant.join(', ')}; name the actions that need approval in the head of the policy` },
  ];
}

function at({ file, source }: Parsed, annotation: string, message: string): PolicyFault {
  return { ...whole(file.name, message), ...positionAt(file.text, source.annotations.get(annotation) ?? source.start) };
}
