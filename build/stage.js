// node build/stage.js SCRIPT [ARGS…] | --bin TOOL [ARGS…]: installs what is missing, then runs it under the pinned Node.
// `--no-install` anywhere among the arguments refuses to install; it is passed on, for scripts that fetch things themselves.
import { stage } from './bootstrap.js';

const [first, ...rest] = process.argv.slice(2);
const mayInstall = !process.argv.includes('--no-install');
if (first === undefined || (first === '--bin' && rest.length === 0)) {
  process.stderr.write('usage: node build/stage.js SCRIPT [ARGS…] | --bin TOOL [ARGS…]\n');
  process.exit(2);
} else if (first === '--bin') {
  await stage({ bin: rest[0] }, rest.slice(1), { mayInstall });
} else {
  await stage({ script: first }, rest, { mayInstall });
}
