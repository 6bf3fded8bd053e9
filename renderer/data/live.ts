import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { StreamState } from '../../main/contract/bridge.ts';
import type { Input, Output, StreamName } from '../../proxy/contract/api.ts';
import type { AppError } from '../../proxy/lib/errors.ts';
import { appErrorOf, invalidate } from './calls.ts';
import { useAppliance, useAppliances, useBridge } from './outside.tsx';

/** One stream of changes per signed-in appliance, for the whole window: makes the reads of its topics stale. */
export function useChanges(): Readonly<Record<string, StreamState>> {
  const bridge = useBridge();
  const client = useQueryClient();
  const appliances = useAppliances() ?? [];
  const [states, setStates] = useState<Readonly<Record<string, StreamState>>>({});
  const readable = appliances.filter(({ state, roles }) => state === 'signed-in' && roles.some((role) => role !== 'caller'));
  const ids = readable.map(({ id }) => id).join(' ');
  useEffect(() => {
    const stops = ids
      .split(' ')
      .filter((id) => id !== '')
      .map((id) =>
        bridge.subscribe(
          id,
          'watchChanges',
          {},
          {
            item: ({ topics }) => void invalidate(client, id, topics),
            state: (state) => setStates((before) => ({ ...before, [id]: state })),
            fault: (error) => setStates((before) => ({ ...before, [id]: { state: 'lost', why: appErrorOf(error).message } })),
          },
        ),
      );
    return () => {
      for (const stop of stops) stop();
    };
  }, [bridge, client, ids]);
  return states;
}

export interface Stream<T> {
  /** oldest first; the oldest are dropped above `max` */
  readonly items: readonly T[];
  readonly state: 'opening' | 'open' | 'lost' | 'ended';
  /** why it was lost */
  readonly why: string;
  readonly fault: AppError | null;
}

interface StreamOptions {
  readonly max?: number;
  readonly enabled?: boolean;
}

const flushMs = 50;

/** A stream of the service, gathered: drawn at most twenty times a second, however fast it comes. */
export function useStream<K extends StreamName>(name: K, input: Input<K>, { max = 10_000, enabled = true }: StreamOptions = {}): Stream<Output<K>> {
  const bridge = useBridge();
  const { id } = useAppliance();
  const key = JSON.stringify([id, name, input]);
  const empty: Stream<Output<K>> = { items: [], state: 'opening', why: '', fault: null };
  const [stream, setStream] = useState({ key, value: empty });
  const latest = useRef(input);
  latest.current = input;
  useEffect(() => {
    if (!enabled) return;
    let value: Stream<Output<K>> = { items: [], state: 'opening', why: '', fault: null };
    let fresh: Output<K>[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = (): void => {
      timer = undefined;
      if (fresh.length > 0) value = { ...value, items: [...value.items, ...fresh].slice(-max) };
      fresh = [];
      setStream({ key, value });
    };
    const change = (part: Partial<Stream<Output<K>>>): void => {
      value = { ...value, ...part };
      timer ??= setTimeout(flush, flushMs);
    };
    const stop = bridge.subscribe(id, name, latest.current, {
      item: (item) => {
        fresh.push(item);
        change({});
      },
      end: () => change({ state: 'ended' }),
      fault: (error) => change({ state: 'ended', fault: appErrorOf(error) }),
      state: (state) => change({ state: state.state, why: state.state === 'lost' ? state.why : '' }),
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [bridge, enabled, id, key, max, name]);
  return stream.key === key ? stream.value : empty;
}
