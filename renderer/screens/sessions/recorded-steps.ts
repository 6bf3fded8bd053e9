import type { RecordingEntry } from '../../../proxy/contract/api-views.ts';
import { concatBytes } from '../../../proxy/proof/bytes.ts';
import { decodeExchange, type Exchange } from './exchange.ts';
import { decodeFrames, type DecodedFrames } from './frames.ts';
import { outcomeOf, type OperationOutcome } from './operation-outcome.ts';

/** One operation of a recording: its command, what came back, how it ended. */
export interface Step {
  readonly operation: string;
  /** RFC 3339 */
  readonly at: string;
  /** the masked command */
  readonly command: string;
  /** null: not recorded, or not read yet */
  readonly outcome: OperationOutcome | null;
  /** bytes and writes after the cap: counted, not kept */
  readonly truncated: { readonly bytes: number; readonly writes: number } | null;
  /** bytes of its result that were kept */
  readonly bytes: number;
  /** decodes the result of a database; the last one is kept */
  readonly frames: () => DecodedFrames;
  /** a call over HTTP or MCP; null: it is none */
  readonly exchange: () => Exchange | null;
}

interface Building {
  readonly operation: string;
  readonly at: string;
  command: string;
  outcome: string;
  truncated: string;
  bytes: number;
  damaged: boolean;
  chunks: Uint8Array[];
  /** of the entry that goes on: whether it began like a record of an exchange; null: the last one is whole */
  open: { readonly isRecord: boolean } | null;
  /** bumped by each entry: a built step is made anew then only */
  version: number;
  built: { readonly version: number; readonly step: Step } | null;
}

/** Puts a recording together as its entries arrive. */
export class StepBuilder {
  readonly #steps: Building[] = [];
  readonly #byOperation = new Map<string, Building>();
  #bytes = 0;

  /** bytes of results and commands read so far */
  get bytes(): number {
    return this.#bytes;
  }

  add({ at, kind, operation, data, more }: RecordingEntry): void {
    const step = this.#stepOf(operation, at);
    step.version++;
    this.#bytes += data.length;
    if (kind === 'command') step.command += data;
    else if (kind === 'outcome') step.outcome += data;
    else if (kind === 'truncated') step.truncated += data;
    else addFrames(step, data, more);
  }

  steps(): readonly Step[] {
    return this.#steps.map((building) => {
      if (building.built?.version !== building.version) building.built = { version: building.version, step: stepOf(building) };
      return building.built.step;
    });
  }

  #stepOf(operation: string, at: string): Building {
    const known = this.#byOperation.get(operation);
    if (known) return known;
    const step: Building = {
      operation,
      at,
      command: '',
      outcome: '',
      truncated: '',
      bytes: 0,
      damaged: false,
      chunks: [],
      open: null,
      version: 0,
      built: null,
    };
    this.#steps.push(step);
    this.#byOperation.set(operation, step);
    return step;
  }
}

const recordStart = '{"dir":"';
const lineEnd = Uint8Array.of(0x0a);

/** Records of exchanges are entries of their own, whatever lies between them. */
function addFrames(step: Building, data: string, more: boolean): void {
  const bytes = decodedBase64(data);
  if (bytes === null) {
    step.damaged = true;
    return;
  }
  step.chunks.push(bytes);
  step.bytes += bytes.length;
  const entry = step.open ?? { isRecord: String.fromCharCode(...bytes.subarray(0, recordStart.length)) === recordStart };
  step.open = more ? entry : null;
  if (!more && entry.isRecord) step.chunks.push(lineEnd);
}

function decodedBase64(data: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

function stepOf({ operation, at, command, outcome, truncated, bytes, damaged, chunks: all }: Building): Step {
  const chunks = [...all];
  let decoded: DecodedFrames | null = null;
  let called: Exchange | null | undefined;
  const exchange = (): Exchange | null => {
    // the first byte tells: no message of PostgreSQL begins with it
    if (called === undefined) called = chunks[0]?.[0] === 0x7b ? decodeExchange(concatBytes(chunks)) : null;
    return called;
  };
  const frames = (): DecodedFrames => {
    if (decoded === null) {
      const result = decodeFrames(exchange() === null ? concatBytes(chunks) : new Uint8Array());
      // what was cut off at the cap ends in the middle of a message: no damage
      decoded = { ...result, damaged: damaged || (result.damaged && truncated === '') };
    }
    return decoded;
  };
  return {
    operation,
    at,
    command,
    outcome: outcome === '' ? null : outcomeOf(outcome),
    truncated: truncated === '' ? null : lossOf(truncated),
    bytes,
    frames,
    exchange,
  };
}

function lossOf(text: string): Step['truncated'] {
  const value = parsed(text);
  const { bytes = 0, writes = 0 } = value as { bytes?: unknown; writes?: unknown };
  return { bytes: typeof bytes === 'number' ? bytes : 0, writes: typeof writes === 'number' ? writes : 0 };
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
