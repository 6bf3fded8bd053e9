import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import react from '@vitejs/plugin-react';
import { build, type InlineConfig } from 'vite';

const root = dirname(import.meta.dirname);
export const consoleDir = join(root, 'out', 'renderer');
const stampFile = join(root, 'out', 'renderer.stamp');
/** what the screens are made of */
const sources = ['renderer', 'main/contract', 'proxy/contract', 'proxy/proof', 'proxy/lib'];
const files = ['package.json', 'package-lock.json', 'build/console.ts'];

/** Builds the screens into `out/renderer`, for the console and the app; nothing when they are up to date. */
export async function buildConsole(): Promise<void> {
  const stamp = stampOf();
  if (existsSync(join(consoleDir, 'index.html')) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  rmSync(stampFile, { force: true });
  await build(configOf('production'));
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
}

/** Content, not times: a fresh checkout of the same commit is up to date. */
function stampOf(): string {
  const digest = createHash('sha256');
  const paths = [...files, ...sources.flatMap((folder) => filesBelow(join(root, folder)).map((path) => relative(root, path)))];
  for (const path of paths.filter((name) => !/[.]test[.]tsx?$/.test(name)).sort())
    digest.update(`${path}\n`).update(
      createHash('sha256')
        .update(readFileSync(join(root, path)))
        .digest(),
    );
  return digest.digest('hex');
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return text;
}

export function configOf(mode: 'production' | 'fake', outDir = consoleDir): InlineConfig {
  return {
    root: join(root, 'renderer'),
    configFile: false,
    envDir: false,
    mode,
    logLevel: 'warn',
    // served from `/` by the service and by the app's own scheme
    base: './',
    plugins: [react()],
    define: { 'import.meta.env.POSTERN_VERSION': JSON.stringify(version()) },
    build: {
      outDir,
      emptyOutDir: true,
      // the oldest Electron and browsers of the same year
      target: 'chrome130',
      // the page's policy has no data: for scripts and fonts
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1_500,
    },
  };
}

if (import.meta.main) await buildConsole();
