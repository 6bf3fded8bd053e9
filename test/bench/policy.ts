/** Microseconds per policy decision: a miss goes to Cedar, a hit is answered by facts identity. `node test/bench/policy.ts [decisions]` */
import type { Facts } from '../../proxy/contract/operation.ts';
import type { PolicyPort } from '../../proxy/pipeline/ports.ts';
import { createPolicy } from '../../proxy/policy/policy.ts';

const decisions = Number(process.argv[2] ?? 2_000);
const groups = 20;

type Request = Parameters<PolicyPort['scope']>[0];
const request: Request = {
  caller: {
    issuer: 'postern',
    subject: 'svc_bench',
    name: 'bench',
    kind: 'service-account',
    groups: ['group-1', 'group-2'],
    granted: [],
    credential: 'tok_bench',
    method: 'scram-sha-256',
    resources: [],
    networks: [],
    expiresAt: Number.MAX_SAFE_INTEGER,
  },
  resource: {
    id: 'res_bench',
    name: 'payments',
    protocol: 'postgres',
    host: 'localhost',
    port: 1,
    database: 'shop',
    account: 'app',
    secret: 'sec_bench',
    tls: { mode: 'disable' },
    listenPort: null,
    recording: { maxBytesPerOperation: 0 },
    createdAt: '2026-01-01T00:00:00Z',
  },
  database: 'shop',
  account: 'app',
  origin: '127.0.0.1',
};

/** `spread`: policies belong to 20 groups and to tables, as in real sets; else each applies to every command. */
function policyText(count: number, spread: boolean): string {
  return Array.from({ length: count }, (_, index) => {
    const principal = spread ? `principal in Group::"group-${index % groups}"` : 'principal';
    const table = spread ? ` && resource.name == "table-${index}"` : '';
    return `permit(${principal}, action == Action::"sql:select", resource is Table) when { resource.schema == "public"${table} && context.statements == 1 };`;
  }).join('\n');
}

function facts(index: number): Facts {
  return {
    acts: [{ action: 'sql:select', object: { type: 'Table', path: ['public', `table-${index % 50}`] } }],
    effect: 'read',
    context: { kind: 'select', statements: 1, has_where: true, has_limit: false, tables: ['public.orders'], columns: ['id', 'total'], functions: [] },
    template: '',
  };
}

function microseconds(count: number, work: (index: number) => void): { median: number; p99: number } {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = process.hrtime.bigint();
    work(index);
    times.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(count / 2)] ?? 0, p99: times[Math.floor(count * 0.99)] ?? 0 };
}

process.stdout.write('policies  kind      update ms  miss p50 us  miss p99 us  hit p50 us\n');
for (const count of [10, 100, 1000]) {
  for (const spread of [true, false]) {
    const policy = createPolicy();
    const started = performance.now();
    policy.update('bench', [{ name: 'bench.cedar', text: policyText(count, spread) }]);
    const update = performance.now() - started;
    const scope = policy.port.scope(request);
    microseconds(100, (index) => scope.decide(facts(index)));
    const miss = microseconds(decisions, (index) => scope.decide(facts(index)));
    const same = facts(1);
    // one hit is shorter than the clock's resolution
    const hit = microseconds(100, () => {
      for (let index = 0; index < 1000; index += 1) scope.decide(same);
    });
    const cells = [
      update.toFixed(0).padStart(9),
      miss.median.toFixed(1).padStart(11),
      miss.p99.toFixed(1).padStart(11),
      (hit.median / 1000).toFixed(3).padStart(10),
    ];
    process.stdout.write(`${String(count).padEnd(9)} ${(spread ? 'by group' : 'all apply').padEnd(9)} ${cells.join('  ')}\n`);
  }
}
