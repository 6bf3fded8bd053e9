import type { AuditReader } from '../audit/reader.ts';
import { asAppError, fail } from '../contract/errors.ts';
import type { Snapshot } from '../contract/snapshot.ts';
import { discardDatabase } from '../store/database.ts';
import { openState, type State } from '../store/state.ts';
import { loggedEvents } from './control-audit.ts';

/** The state as it is now; a new value after every change. */
export class Current {
  snapshot: Snapshot;
  readonly state: State;

  constructor(state: State) {
    this.state = state;
    this.snapshot = state.snapshot();
  }

  refresh(): Snapshot {
    this.snapshot = this.state.snapshot();
    return this.snapshot;
  }
}

/** Opens the state and brings it up to the log; a damaged one is made anew from the whole log. */
export async function openCurrentState(path: string, reader: AuditReader, log: (line: string) => void): Promise<State> {
  try {
    return await upToDate(openState(path), reader);
  } catch (error) {
    if (asAppError(error).code !== 'ERR_STATE_DAMAGED') throw error;
    log(`state: made anew from the log: ${asAppError(error).detail ?? ''}`);
    discardDatabase(path);
    return upToDate(openState(path), reader);
  }
}

async function upToDate(state: State, reader: AuditReader): Promise<State> {
  try {
    const { size } = await reader.status();
    if (state.read.cursor >= size) throw fail('ERR_STATE_DAMAGED', { detail: 'the state is ahead of the log' });
    await followLog(state, reader);
    return state;
  } catch (error) {
    state.close();
    throw error;
  }
}

/** Brings the state up to the log. */
export async function followLog(state: State, reader: AuditReader): Promise<void> {
  await state.replayFrom(loggedEvents(reader, state.read.cursor + 1));
}
