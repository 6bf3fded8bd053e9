import type { z } from 'zod';
import type { EventCode } from './audit-event.ts';
import type { ErrorCode } from './errors.ts';

/**
 * Who may call. Administrators change things, auditors read, approvers decide on requests, callers are the service accounts
 * themselves; none implies another.
 */
export type Role = 'administrator' | 'auditor' | 'approver' | 'caller';

/** The routes that prove who calls in their own body. */
const publicPaths = ['/v1/health', '/v1/enrolments', '/v1/sign-in'] as const;
type PublicPath = (typeof publicPaths)[number];

type Path = `/v1/${string}`;
type Events = readonly [EventCode, ...EventCode[]];
type InputSchema = z.ZodObject;

interface Common<P extends Path, I extends InputSchema, O extends z.ZodType> {
  readonly path: P;
  readonly summary: string;
  /** the one authorization column */
  readonly roles: P extends PublicPath ? 'public' : readonly [Role, ...Role[]];
  readonly errors: readonly ErrorCode[];
  /** path parameters, then the query (GET, DELETE) or the JSON body (POST, PUT); unknown members are refused */
  readonly input: I;
  readonly output: O;
  /** the answer is a stream: JSON lines, each an `output`; or server-sent events, whose id is the output's `id` */
  readonly stream?: true | 'events';
}

/** Reads. With an `event`, reading is itself recorded before the answer begins. */
interface ReadSpec<P extends Path, I extends InputSchema, O extends z.ZodType> extends Common<P, I, O> {
  readonly method: 'GET';
  readonly event: Events | null;
}

/** Changes something: cannot be declared without the audit events that record it. */
interface ChangeSpec<P extends Path, I extends InputSchema, O extends z.ZodType> extends Common<P, I, O> {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly event: Events;
}

/** A pure function of its input and the current state: POST only because the input does not belong into an address. */
interface ComputeSpec<P extends Path, I extends InputSchema, O extends z.ZodType> extends Common<P, I, O> {
  readonly method: 'POST';
  readonly event: null;
  readonly pure: true;
}

export type RouteSpec<P extends Path, I extends InputSchema, O extends z.ZodType> = ReadSpec<P, I, O> | ChangeSpec<P, I, O> | ComputeSpec<P, I, O>;

/** What every route is, whatever its types. */
export interface AnyRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly roles: 'public' | readonly Role[];
  readonly errors: readonly ErrorCode[];
  readonly event: readonly EventCode[] | null;
  readonly pure?: true;
  readonly input: z.ZodObject;
  readonly output: z.ZodType;
  readonly stream?: true | 'events';
}

export function route<const P extends Path, I extends InputSchema, O extends z.ZodType, const S extends RouteSpec<P, I, O>>(spec: S & RouteSpec<P, I, O>): S {
  return spec;
}

/** `{name}` segments of a path. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{([a-zA-Z]+)\}/g)].map((match) => match[1] ?? '');
}

/** Faults of a route that types cannot see, or that a cast has hidden. Empty: it may be registered. */
export function routeFaults(candidate: AnyRoute): string[] {
  return [...eventFaults(candidate), ...roleFaults(candidate), ...inputFaults(candidate)];
}

function eventFaults({ method, pure, event }: AnyRoute): string[] {
  const computes = method === 'POST' && pure === true;
  if (method === 'GET') return [];
  if (computes) return event === null ? [] : ['is pure, yet names an event'];
  return event === null || event.length === 0 ? ['changes something without an audit event'] : [];
}

function roleFaults({ roles, path }: AnyRoute): string[] {
  if (roles === 'public') return (publicPaths as readonly string[]).includes(path) ? [] : ['is public'];
  return roles.length === 0 ? ['has no role'] : [];
}

function inputFaults({ input, path }: AnyRoute): string[] {
  const members = Object.keys(input.shape);
  const missing = pathParameters(path)
    .filter((parameter) => !members.includes(parameter))
    .map((parameter) => `has no input for {${parameter}}`);
  return input.def.catchall?._zod.def.type === 'never' ? missing : ['accepts unknown members', ...missing];
}
