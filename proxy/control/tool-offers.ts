import { asAppError } from '../contract/errors.ts';
import type { OfferedTool, ToolPin } from '../contract/tool-pin.ts';
import type { Clock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import type { ReadableState } from '../store/repositories.ts';
import type { Commit } from './context.ts';
import { affectedBy } from './handlers/tools.ts';

export interface ToolOffersOptions {
  readonly clock: Clock;
  readonly read: Pick<ReadableState, 'resources' | 'toolPins'>;
  /** one change at a time, in the name of control itself */
  readonly exclusive: <T>(work: (commit: Commit<'tool.offered'>) => Promise<T>) => Promise<T>;
  /** the detector over free text */
  readonly mask: (text: string) => string;
  /** a line for the operator */
  readonly log: (line: string) => void;
}

/** of one server; a server that offers more is not trying to be useful */
const maxPins = 512;
const maxPinsPerCall = 1_024;
const maxNameChars = 256;
const maxDefinitionChars = 131_072;
/** of one server: each costs an event */
const maxEventsPerWindow = 100;
const windowMs = 60_000;

/** What servers offer, as gateways saw it, becomes what people decide on; what is known already costs nothing. */
export class ToolOffers {
  readonly #options: ToolOffersOptions;
  /** events of the current window by resource */
  readonly #spent = new Map<string, { since: number; events: number }>();

  constructor(options: ToolOffersOptions) {
    this.#options = options;
  }

  /** Never rejects: a gateway that sees it again says it again. */
  async offer(resource: string, tools: readonly OfferedTool[]): Promise<void> {
    const { read, exclusive, log } = this.#options;
    try {
      for (const tool of tools.slice(0, maxPinsPerCall)) {
        const offered = this.#shown(tool);
        if (offered === null || !this.#isNews(resource, offered)) continue;
        if (read.toolPins.on({ resource, ...offered }) === null && read.toolPins.of(resource).length >= maxPins) {
          log(`${resource} offers more than ${String(maxPins)} tools and prompts: the rest stays hidden`);
          return;
        }
        if (!this.#maySpend(resource)) {
          log(`${resource} changes what it offers more than ${String(maxEventsPerWindow)} times a minute: the rest stays hidden for now`);
          return;
        }
        // looked at again where nobody changes it meanwhile
        await exclusive(async (commit) => {
          if (!this.#isNews(resource, offered)) return;
          const pin = this.#pin(resource, offered);
          await commit('tool.offered', { affected: affectedBy(pin), value: pin });
        });
      }
    } catch (error) {
      const { code, detail, message } = asAppError(error);
      log(`what ${resource} offers could not be kept: ${code} ${detail ?? message}`);
    }
  }

  /** As it may be kept; null: a name that no call could have. */
  #shown({ kind, name, offered, offeredDefinition }: OfferedTool): OfferedTool | null {
    if (name.length > maxNameChars) return null;
    const { mask } = this.#options;
    const definition = mask(offeredDefinition);
    const cut = definition.length > maxDefinitionChars ? `${definition.slice(0, maxDefinitionChars - 1)}…` : definition;
    // a cut may go through a pair of surrogates
    return { kind, name: mask(name).toWellFormed(), offered, offeredDefinition: cut.toWellFormed() };
  }

  #isNews(resource: string, offered: OfferedTool): boolean {
    const { read } = this.#options;
    // removed meanwhile, or never one
    if (read.resources.named(resource)?.protocol !== 'mcp') return false;
    return read.toolPins.on({ resource, ...offered })?.offered !== offered.offered;
  }

  #pin(resource: string, tool: OfferedTool): ToolPin {
    const { read, clock } = this.#options;
    const seenAt = new Date(clock.now()).toISOString();
    const before = read.toolPins.on({ resource, ...tool });
    // what was refused is another definition now
    if (before !== null) return { ...before, offered: tool.offered, offeredDefinition: tool.offeredDefinition, seenAt, rejected: false };
    const undecided = { approved: null, approvedDefinition: null, readOnly: false, decidedAt: null, decidedBy: null, rejected: false };
    return { id: newId('pin'), resource, ...tool, ...undecided, seenAt };
  }

  #maySpend(resource: string): boolean {
    const now = this.#options.clock.now();
    const window = this.#spent.get(resource);
    if (window === undefined || now - window.since >= windowMs) {
      this.#spent.set(resource, { since: now, events: 1 });
      return true;
    }
    window.events += 1;
    return window.events <= maxEventsPerWindow;
  }
}
