import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildDashboard } from './build-dashboard.ts';
import { isFresh } from './freshness.ts';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const WORKER = join(ROOT, 'dist/worker');
const SOURCES = ['functions', 'durable', 'core', 'wrangler.toml', 'package-lock.json'];

/** Keeps wrangler from the network: building needs none. */
export const OFFLINE = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  X_LOCAL_OBSERVABILITY: 'false',
};

/** The compatibility date of wrangler.toml: the one place for it (a test holds onprem/config.capnp against it). */
export async function compatibilityDate(): Promise<string> {
  const text = await readFile(join(ROOT, 'wrangler.toml'), 'utf8');
  const [, date] = /^compatibility_date = "(.+)"$/m.exec(text) ?? [];
  if (date === undefined) throw new Error('wrangler.toml has no compatibility_date');
  return date;
}

export const wranglerBin = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');

/**
 * Builds the Worker's pages, and the Worker into dist/worker (index.js, kernel.wasm) with wrangler, if a source is newer.
 * Wrangler puts a hash into a module's file name; here names stay the same, so that a checked-in configuration can name them. Files are
 * replaced whole: builds may run side by side.
 */
export async function buildWorker(): Promise<string> {
  await buildDashboard();
  if (await isFresh(join(WORKER, 'index.js'), ROOT, SOURCES)) return WORKER;
  const started = new Date();
  const out = join(ROOT, `dist/build-${process.pid}`);
  try {
    await promisify(execFile)(
      process.execPath,
      [wranglerBin, 'deploy', '--dry-run', '--outdir', out],
      { cwd: ROOT, env: { ...process.env, ...OFFLINE } },
    );
    await mkdir(WORKER, { recursive: true });
    const hashed = /^[0-9a-f]{40}-(.+\.wasm)$/;
    let code = await readFile(join(out, 'index.js'), 'utf8');
    for (const file of await readdir(out)) {
      const [, name] = hashed.exec(file) ?? [];
      if (name === undefined) continue;
      code = code.replaceAll(`"./${file}"`, `"./${name}"`);
      await rename(join(out, file), join(WORKER, name));
    }
    await writeFile(join(out, 'index.js'), code);
    await rename(join(out, 'index.js.map'), join(WORKER, 'index.js.map'));
    await rename(join(out, 'index.js'), join(WORKER, 'index.js'));
    // A source that changed while this was built is newer than the build.
    await utimes(join(WORKER, 'index.js'), started, started);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
  return WORKER;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await buildWorker());
