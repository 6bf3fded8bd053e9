import { z } from 'zod';
import type { AuditReader } from '../audit/reader.ts';
import type { RecordingEntry } from '../contract/api-views.ts';
import { fail } from '../contract/errors.ts';
import type { AuditReading, Recordings } from '../control/ports.ts';
import { findRecording, readRecording, type RecordingReader, type UnwrapKey } from '../recording/reader.ts';
import { entriesOf } from './control-audit.ts';

const Ended = z.looseObject({ code: z.literal('session.ended'), session: z.string() });

export interface RootSources {
  readonly audit: Pick<AuditReading, 'search'>;
  readonly reader: AuditReader;
  readonly isLive: (session: string) => boolean;
}

/** Recordings as the control API gives them: every chunk is checked, and at the end the whole against the log. */
export function recordingsOf(dir: string, unwrap: UnwrapKey, log: RootSources): Recordings {
  return {
    read: async (session, signal) => {
      const path = await findRecording(dir, session);
      if (path === null) throw fail('ERR_NOT_FOUND', { message: `There is no recording of ${session}.` });
      return checkedEntries(await readRecording(path, unwrap), () => rootOf(session, log), signal);
    },
  };
}

async function* checkedEntries(reader: RecordingReader, root: () => Promise<string | null>, signal: AbortSignal): AsyncGenerator<RecordingEntry> {
  const text = new TextDecoder();
  try {
    for await (const { at, kind, operation, bytes, more } of reader.entries()) {
      if (signal.aborted) return;
      const data = kind === 'frames' ? Buffer.from(bytes).toString('base64') : text.decode(bytes, { stream: more });
      yield { at: new Date(at).toISOString(), kind, operation, data, more };
    }
    const summary = reader.summary();
    const expected = await root();
    // a live session has no root yet; one whose process was lost never gets one
    if (expected !== null && expected !== '' && summary?.root !== expected) {
      throw fail('ERR_VERIFICATION_FAILED', { message: 'The recording is not the one that the log names: its root differs.' });
    }
  } finally {
    await reader.close();
  }
}

/** The root that the log names; null: there is none yet. */
async function rootOf(session: string, { audit, reader, isLive }: RootSources): Promise<string | null> {
  const [ended] = (await audit.search({ codes: ['session.ended'], session }, { limit: 1, before: null })).items;
  if (ended !== undefined) return rootIn(ended.header);
  if (isLive(session)) return null;
  // the history finds what it was told: that nothing is there must come from the log itself
  const { size } = await reader.status();
  for await (const { header } of entriesOf(reader, { from: 0, to: size, bodies: false })) {
    if (!header.includes(session)) continue;
    const parsed = Ended.safeParse(JSON.parse(header));
    if (parsed.success && parsed.data.session === session) return rootIn(parsed.data);
  }
  return null;
}

function rootIn(header: Readonly<Record<string, unknown>>): string | null {
  const digests = header['digests'];
  return Array.isArray(digests) && typeof digests[0] === 'string' ? digests[0] : null;
}
