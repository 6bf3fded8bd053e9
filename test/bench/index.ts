import { parseArgs } from 'node:util';
import { benchPostgres } from './postgres.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    out: { type: 'string', default: 'out/bench' },
  },
});
if (positionals[0] !== 'postgres') {
  process.stderr.write('usage: npm run bench -- postgres [--rounds N] [--seconds N] [--only WORKLOAD] [--out DIR]\n');
  process.exit(2);
}
await benchPostgres({ rounds: Number(values.rounds), seconds: Number(values.seconds), only: values.only, out: values.out });
