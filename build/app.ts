import { spawn } from 'node:child_process';
import { createRequire, isBuiltin } from 'node:module';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, type InlineConfig } from 'vite';
import { buildConsole } from './console.ts';
import { root } from './step.ts';

// The control app: main process and preload script bundled into out/main, the screens into out/renderer.
// `npm run app [-- ARGS…]` starts it; `--build-only` does not.

const outDir = join(root, 'out', 'main');

/** Both bundles hold all they need: in a package there is no node_modules. */
function bundle(entry: string, format: 'es' | 'cjs', file: string): InlineConfig {
  return {
    root,
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    ssr: { noExternal: true, target: 'node' },
    build: {
      ssr: join(root, 'main', entry),
      // the oldest runtime it is tried with has Node 20
      target: 'node20',
      outDir,
      emptyOutDir: false,
      minify: false,
      sourcemap: false,
      rolldownOptions: {
        external: (id) => id === 'electron' || isBuiltin(id),
        output: { format, entryFileNames: file, codeSplitting: false },
      },
    },
  };
}

/** Puts out/main and out/renderer there. */
export async function buildApp(): Promise<void> {
  rmSync(outDir, { recursive: true, force: true });
  await build(bundle('index.ts', 'es', 'index.js'));
  await build(bundle('preload.ts', 'cjs', 'preload.cjs'));
  await buildConsole();
}

/** The Electron of package.json, or the one that ELECTRON_OVERRIDE_DIST_PATH names; starting it may fetch it once. */
function electronProgram(): string {
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (override !== undefined) return join(override, process.platform === 'win32' ? 'electron.exe' : 'electron');
  const require = createRequire(import.meta.url);
  const program: unknown = require('electron');
  return String(program);
}

if (import.meta.main) {
  await buildApp();
  const args = process.argv.slice(2);
  if (!args.includes('--build-only')) {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    console.log(`Postern ${version}: starting the app.`);
    // root has no sandbox of Chromium's; everybody else keeps it
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const child = spawn(electronProgram(), [...asRoot, root, ...args], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
    child.once('error', (error) => {
      console.error(`Electron could not be started: ${error.message}`);
      process.exitCode = 1;
    });
    child.once('exit', (code) => {
      process.exitCode = code ?? 1;
    });
  }
}
