#!/usr/bin/env node
// The `postern` executable: the command-line tool under the pinned Node. Never installs anything.
import { stage } from './bootstrap.js';

await stage({ script: 'proxy/cli/index.ts' }, process.argv.slice(2), { mayInstall: false });
