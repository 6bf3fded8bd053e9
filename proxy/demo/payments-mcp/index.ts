// index.ts [--exports DIR] [--canaries]: the demo's payments server over standard input and output
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Ledger } from './ledger.ts';
import { paymentsServer } from './server.ts';

const { values } = parseArgs({ options: { exports: { type: 'string' }, canaries: { type: 'boolean', default: false } } });
// one ledger, whatever the connection makes of servers
const ledger = new Ledger(values.canaries);
const exportDir = values.exports === undefined ? null : resolve(values.exports);
serveStdio(() => paymentsServer({ ledger, exportDir }));
