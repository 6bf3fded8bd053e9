import { parseArgs } from 'node:util';
import { benchHistory } from './history.ts';
import { benchHttp } from './http.ts';
import { benchMcp } from './mcp.ts';
import { benchPostgres } from './postgres.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    requests: { type: 'string', default: '2000' },
    events: { type: 'string', default: '1000000' },
    sessions: { type: 'string', default: '10000' },
    out: { type: 'string', default: 'out/bench' },
  },
});
switch (positionals[0]) {
  case 'postgres':
    await benchPostgres({ rounds: Number(values.rounds), seconds: Number(values.seconds), only: values.only, out: values.out });
    break;
  case 'history':
    await benchHistory({ events: Number(values.events), sessions: Number(values.sessions), rounds: 10 * Number(values.rounds), out: values.out });
    break;
  case 'mcp':
    await benchMcp({ rounds: Number(values.rounds), requests: Number(values.requests), only: values.only, out: values.out });
    break;
  case 'http':
    await benchHttp({ rounds: Number(values.rounds), seconds: Number(values.seconds), only: values.only, out: values.out });
    break;
  default:
    process.stderr.write('usage: npm run bench -- postgres [--rounds N] [--seconds N] [--only WORKLOAD] [--out DIR]\n');
    process.stderr.write('       npm run bench -- history [--rounds N] [--events N] [--sessions N] [--out DIR]\n');
    process.stderr.write('       npm run bench -- mcp [--rounds N] [--requests N] [--only WORKLOAD] [--out DIR]\n');
    process.stderr.write('       npm run bench -- http [--rounds N] [--seconds N] [--only WORKLOAD] [--out DIR]\n');
    process.exit(2);
}
