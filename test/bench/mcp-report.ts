/** What is called, how many at once, and how much of the wanted number of calls. */
export interface McpWorkload {
  readonly name: string;
  readonly tool: string;
  readonly clients: number;
  readonly share: number;
}

/** One contender in one round. */
export interface McpSample {
  readonly round: number;
  readonly workload: string;
  readonly contender: string;
  /** ms */
  readonly p50: number;
  readonly p99: number;
  /** calls a second */
  readonly rps: number;
  /** of an answer */
  readonly bytes: number;
  /** µs a call, by process */
  readonly cpuMicros: Readonly<Record<string, number>>;
}

type Figure = 'p50' | 'p99' | 'rps';

/** Medians over the rounds of one contender, and of its ratios to direct in the same round. */
export interface McpRatios {
  readonly workload: string;
  readonly contender: string;
  readonly absolute: Readonly<Record<Figure, number>>;
  readonly ratio: Readonly<Record<Figure, number>>;
  readonly cpu: string;
}

export interface Verdict {
  readonly cell: string;
  readonly wanted: string;
  readonly measured: string;
  readonly isMet: boolean;
}

export function ratiosOf(samples: readonly McpSample[]): readonly McpRatios[] {
  const pairs = new Map(samples.map(({ workload, contender }) => [`${workload}\0${contender}`, { workload, contender }]));
  return [...pairs.values()].map(({ workload, contender }) => {
    const own = samples.filter((sample) => sample.workload === workload && sample.contender === contender);
    const figure = (what: Figure): number => median(own.map((sample) => sample[what]));
    const ratio = (what: Figure): number =>
      median(
        own.flatMap((sample) => {
          const direct = samples.find((each) => each.workload === workload && each.contender === 'direct' && each.round === sample.round);
          return direct === undefined ? [] : [sample[what] / direct[what]];
        }),
      );
    return {
      workload,
      contender,
      absolute: { p50: figure('p50'), p99: figure('p99'), rps: figure('rps') },
      ratio: { p50: ratio('p50'), p99: ratio('p99'), rps: ratio('rps') },
      cpu: cpuOf(own),
    };
  });
}

function cpuOf(samples: readonly McpSample[]): string {
  const names = Object.keys(samples[0]?.cpuMicros ?? {});
  return names.map((name) => `${name} ${median(samples.map(({ cpuMicros }) => cpuMicros[name] ?? NaN)).toFixed(0)}`).join(', ');
}

export function tableOf(ratios: readonly McpRatios[]): readonly (readonly string[])[] {
  const header = ['workload', 'path', 'p50', 'p99', 'calls/s', '× p50', '× p99', '× calls/s', 'CPU'];
  const rows = ratios.map(({ workload, contender, absolute, ratio, cpu }) => [
    workload,
    contender,
    absolute.p50.toFixed(2),
    absolute.p99.toFixed(2),
    absolute.rps.toFixed(0),
    ratio.p50.toFixed(1),
    ratio.p99.toFixed(1),
    ratio.rps.toFixed(2),
    cpu,
  ]);
  return [header, header.map(() => '---'), ...rows];
}

const limits: readonly { workload: string; figure: Figure; most?: number; least?: number }[] = [
  { workload: 'echo c=1', figure: 'p50', most: 3.5 },
  { workload: 'echo c=1', figure: 'rps', least: 0.4 },
  { workload: 'echo c=16', figure: 'p50', most: 2.5 },
  { workload: 'echo c=16', figure: 'p99', most: 6 },
  { workload: 'echo c=16', figure: 'rps', least: 0.4 },
];
const ours = ['Postern', 'Postern to stdio'];
const beaten = ['mcp-proxy', 'supergateway'];

/** Ratios to direct over HTTP, and both bridges beaten in both transports. */
export function barOf(ratios: readonly McpRatios[]): readonly Verdict[] {
  const find = (workload: string, contender: string): McpRatios | undefined =>
    ratios.find((each) => each.workload === workload && each.contender === contender);
  const toDirect = limits.flatMap(({ workload, figure, most, least }): Verdict[] => {
    const found = find(workload, 'Postern');
    if (found === undefined) return [];
    const value = found.ratio[figure];
    const wanted = most === undefined ? `at least ${least ?? 0}` : `at most ${most}`;
    return [
      { cell: `${workload}, ${figure} of direct`, wanted, measured: value.toFixed(2), isMet: most === undefined ? value >= (least ?? 0) : value <= most },
    ];
  });
  const workloads = [...new Set(ratios.map(({ workload }) => workload))];
  const toOthers = workloads.flatMap((workload) =>
    ours.flatMap((name) => beaten.flatMap((other) => against(workload, find(workload, name), find(workload, other)))),
  );
  return [...toDirect, ...toOthers];
}

function against(workload: string, own: McpRatios | undefined, other: McpRatios | undefined): readonly Verdict[] {
  if (own === undefined || other === undefined) return [];
  const verdict = (figure: 'p50' | 'rps', value: number, isMet: boolean): Verdict => ({
    cell: `${workload}, ${own.contender} against ${other.contender}, ${figure}`,
    wanted: figure === 'p50' ? 'below 1' : 'above 1',
    measured: value.toFixed(2),
    isMet,
  });
  const [p50, rps] = [own.ratio.p50 / other.ratio.p50, own.ratio.rps / other.ratio.rps];
  return [verdict('p50', p50, p50 < 1), verdict('rps', rps, rps > 1)];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
