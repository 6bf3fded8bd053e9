import { keepPreviousData, useInfiniteQuery, useMutation, useQueries, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { api, type Input, type Output } from '../../proxy/contract/api.ts';
import type { Role } from '../../proxy/contract/api-route.ts';
import type { Topic } from '../../proxy/contract/api-console.ts';
import { fail } from '../../proxy/contract/errors.ts';
import { AppError, reasonOf } from '../../proxy/lib/errors.ts';
import type { CallName } from '../../main/contract/bridge.ts';
import type { ApplianceView } from '../../main/contract/views.ts';
import { useAppliance, useAppliances, useBridge } from './outside.tsx';
import { changedBy, isStale } from './topics.ts';

/** A read as a screen sees it. */
export interface Call<T> {
  readonly data: T | undefined;
  readonly fault: AppError | null;
  /** nothing to show yet */
  readonly loading: boolean;
  /** read again behind what is shown */
  readonly fetching: boolean;
  readonly again: () => void;
}

interface CallOptions {
  /** false: not called yet */
  readonly enabled?: boolean;
  /** shows the former answer while another input is read: searches */
  readonly keep?: boolean;
}

export function appErrorOf(error: unknown): AppError {
  if (error instanceof AppError) return error as AppError;
  return fail('ERR_INTERNAL', { message: reasonOf(error) });
}

/** Roles that may call; empty: everybody. */
export function rolesOf(name: CallName): readonly Role[] {
  const { roles } = api[name];
  return roles === 'public' ? [] : roles;
}

/** Null when the person may call; otherwise what would be answered, without asking and without an event in the log. */
export function forbidden(name: CallName, held: readonly Role[]): AppError | null {
  const roles = rolesOf(name);
  if (roles.length === 0 || roles.some((role) => held.includes(role))) return null;
  return fail('ERR_FORBIDDEN', { message: `This needs the role ${roles.join(' or ')}.`, hint: 'An administrator can give it to you.' });
}

/** Reads once, and again when the service says that it changed. Input members are the key: pass plain data. */
export function useCall<K extends CallName>(name: K, input: Input<K>, { enabled = true, keep = false }: CallOptions = {}): Call<Output<K>> {
  const bridge = useBridge();
  const appliance = useAppliance();
  const refused = forbidden(name, appliance.roles);
  const query = useQuery({
    queryKey: [appliance.id, name, input],
    queryFn: () => bridge.call(appliance.id, name, input),
    enabled: enabled && refused === null && appliance.state === 'signed-in',
    ...(keep && { placeholderData: keepPreviousData }),
  });
  const { refetch } = query;
  const again = useCallback(() => void refetch(), [refetch]);
  const fault = refused ?? (query.error === null ? null : appErrorOf(query.error));
  return { data: query.data, fault, loading: query.isLoading, fetching: query.isFetching, again };
}

/** The same read at every appliance that answers to this person: merged lists. */
export function useCallEverywhere<K extends CallName>(name: K, input: Input<K>): readonly { appliance: ApplianceView; call: Omit<Call<Output<K>>, 'again'> }[] {
  const bridge = useBridge();
  const appliances = (useAppliances() ?? []).filter(({ state, roles }) => state === 'signed-in' && forbidden(name, roles) === null);
  const results = useQueries({
    queries: appliances.map(({ id }) => ({ queryKey: [id, name, input], queryFn: () => bridge.call(id, name, input) })),
  });
  return appliances.map((appliance, at) => {
    const result = results[at];
    return {
      appliance,
      call: {
        data: result?.data,
        fault: result?.error ? appErrorOf(result.error) : null,
        loading: result?.isLoading ?? true,
        fetching: result?.isFetching ?? true,
      },
    };
  });
}

/** The routes that answer in pages. */
export type PageName = { [K in CallName]: Output<K> extends { items: readonly unknown[]; next: string | null } ? K : never }[CallName];
type Item<K extends PageName> = Output<K> extends { items: readonly (infer T)[] } ? T : never;

export interface Pages<T> {
  readonly items: readonly T[];
  readonly fault: AppError | null;
  readonly loading: boolean;
  readonly fetching: boolean;
  /** there is more at the service */
  readonly more: boolean;
  readonly loadMore: () => void;
  readonly again: () => void;
}

/** A list that grows as one scrolls: hand `loadMore` to DataTable's `onEnd`. */
export function usePages<K extends PageName>(name: K, input: Omit<Input<K>, 'cursor'>, { enabled = true }: CallOptions = {}): Pages<Item<K>> {
  const bridge = useBridge();
  const appliance = useAppliance();
  const refused = forbidden(name, appliance.roles);
  const query = useInfiniteQuery({
    queryKey: [appliance.id, name, input, 'pages'],
    queryFn: async ({ pageParam }) => {
      const page = await bridge.call(appliance.id, name, { ...input, ...(pageParam !== '' && { cursor: pageParam }) } as Input<K>);
      // `PageName` says so; the compiler cannot see it through the generic
      return page as unknown as { items: readonly Item<K>[]; next: string | null };
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    enabled: enabled && refused === null && appliance.state === 'signed-in',
    placeholderData: keepPreviousData,
  });
  const { refetch, fetchNextPage, hasNextPage, isFetching, isFetchingNextPage, data } = query;
  const loadMore = useCallback(() => {
    // whoever scrolls goes first: pages that are being read again wait
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, hasNextPage, isFetchingNextPage]);
  const items = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  return {
    items,
    fault: refused ?? (query.error === null ? null : appErrorOf(query.error)),
    loading: query.isLoading,
    fetching: isFetching,
    more: hasNextPage,
    loadMore,
    again: useCallback(() => void refetch(), [refetch]),
  };
}

export interface MutationCall<K extends CallName> {
  /** Resolves with null when it failed: `fault` says why. */
  readonly run: (input: Input<K>) => Promise<Output<K> | null>;
  readonly running: boolean;
  readonly fault: AppError | null;
  readonly reset: () => void;
}

/** A call that changes something; what it changes is read again at once. */
export function useMutationCall<K extends CallName>(name: K): MutationCall<K> {
  const bridge = useBridge();
  const client = useQueryClient();
  const { id } = useAppliance();
  const { mutateAsync, isPending, error, reset } = useMutation({
    mutationFn: (input: Input<K>) => bridge.call(id, name, input),
    onSuccess: () => invalidate(client, id, changedBy(name)),
  });
  const run = useCallback((input: Input<K>) => mutateAsync(input).catch(() => null), [mutateAsync]);
  return { run, running: isPending, fault: error === null ? null : appErrorOf(error), reset };
}

/** Marks what the topics make stale; what is on the screen is read again. */
export async function invalidate(client: QueryClient, appliance: string, topics: readonly Topic[]): Promise<void> {
  if (topics.length === 0) return;
  await client.invalidateQueries({
    predicate: ({ queryKey: [id, name] }) => id === appliance && typeof name === 'string' && isStale(name, topics),
  });
}
