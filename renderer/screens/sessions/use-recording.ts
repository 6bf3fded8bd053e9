import { useCallback, useEffect, useRef, useState } from 'react';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import { StepBuilder, type Step } from './recorded-steps.ts';

export interface LoadedRecording {
  readonly steps: readonly Step[];
  /** characters read so far, as they came */
  readonly bytes: number;
  /** reading; whole: to its end; cancelled: by the person; capped: too long for one screen */
  readonly state: 'reading' | 'whole' | 'cancelled' | 'capped';
  readonly fault: AppError | null;
  readonly cancel: () => void;
}

/** a browser's tab must live on */
const maxChars = 256 * 1024 * 1024;
const drawMs = 120;

/** Reads a recording once, and shows what came so far; reading it is an event of the log. */
export function useRecording(id: string): LoadedRecording {
  const bridge = useBridge();
  const { id: appliance } = useAppliance();
  const [read, setRead] = useState<Omit<LoadedRecording, 'cancel'>>({ steps: [], bytes: 0, state: 'reading', fault: null });
  const stopNow = useRef<(state: 'cancelled' | 'capped') => void>(() => undefined);
  useEffect(() => {
    const builder = new StepBuilder();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (state: LoadedRecording['state'], fault: AppError | null = null): void => {
      clearTimeout(timer);
      timer = undefined;
      setRead({ steps: builder.steps(), bytes: builder.bytes, state, fault });
    };
    const end = (state: 'cancelled' | 'capped'): void => {
      stop();
      draw(state);
    };
    stopNow.current = end;
    const stop = bridge.subscribe(
      appliance,
      'readRecording',
      { id },
      {
        item: (entry) => {
          builder.add(entry);
          if (builder.bytes > maxChars) end('capped');
          else timer ??= setTimeout(() => draw('reading'), drawMs);
        },
        end: () => draw('whole'),
        fault: (error) => draw('cancelled', appErrorOf(error)),
      },
    );
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [appliance, bridge, id]);
  const cancel = useCallback(() => stopNow.current('cancelled'), []);
  return { ...read, cancel };
}
