import { mkdir, readdir, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isFresh } from './freshness.ts';

const ROOT = dirname(import.meta.dirname);
/** What the Worker's ASSETS is bound to. */
export const DASHBOARD = join(ROOT, 'dist/dashboard');
const SOURCES = ['dashboard', 'client-kit/src', 'core', 'cli/src/data', 'package-lock.json'];

/** Cloudflare takes no larger file among a Worker's assets. */
const ASSET_BYTES = 25 * 1024 * 1024;

/**
 * Builds the Worker's pages into dist/dashboard with Vite, if a source is newer: `join.html`, `job.html` and `assets/`,
 * whose names hold the hash of what is in them. Files are replaced whole and the pages last: builds may run side by
 * side, and a page never names what isn't there.
 */
export async function buildDashboard(): Promise<string> {
  if (await isFresh(join(DASHBOARD, 'join.html'), ROOT, SOURCES)) return DASHBOARD;
  const started = new Date();
  const out = join(ROOT, `dist/dashboard-${process.pid}`);
  try {
    const { build } = await import('vite');
    await build({
      configFile: join(ROOT, 'dashboard/vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: out, emptyOutDir: true, chunkSizeWarningLimit: ASSET_BYTES / 1024 },
    });
    const assets = join(DASHBOARD, 'assets');
    await mkdir(assets, { recursive: true });
    const names = await readdir(join(out, 'assets'));
    for (const name of names) await rename(join(out, 'assets', name), join(assets, name));
    for (const page of ['job.html', 'join.html']) {
      // A source that changed while this was built is newer than the build.
      await utimes(join(out, page), started, started);
      await rename(join(out, page), join(DASHBOARD, page));
    }
    const stale = (await readdir(assets)).filter((name) => !names.includes(name));
    for (const name of stale) await rm(join(assets, name), { force: true });
  } finally {
    await rm(out, { recursive: true, force: true });
  }
  return DASHBOARD;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDashboard();
