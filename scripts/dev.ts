import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { DASHBOARD } from './build-dashboard.ts';
import { buildWorker, compatibilityDate } from './build-worker.ts';
import { keysOf } from './keys.ts';
import { leash } from './leash.ts';
import { lock } from './lock.ts';

const USAGE = 'npm run dev -- [--port 8787] [--data .tributary] [--host 127.0.0.1]';

function options(): { port: number; data: string; host: string } {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: process.env['PORT'] ?? '8787' },
      data: { type: 'string', default: '.tributary' },
      host: { type: 'string', default: '127.0.0.1' },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port}`);
  return { port, data: resolve(values.data), host: values.host };
}

/** Runs the server with its state in a folder, until it is told to stop. */
async function dev(): Promise<void> {
  const { port, data, host } = options();
  const worker = await buildWorker();
  mkdirSync(data, { recursive: true });
  const unlock = lock(data);
  const { keys, made } = await keysOf(data);
  if (made !== null) console.log(`admin token, shown once: ${made}`);
  const { path, release } = leash(data);
  process.env['MINIFLARE_WORKERD_PATH'] = path;
  process.env['CLOUDFLARE_CF_FETCH_ENABLED'] = 'false';

  const { ALLOWED_ORIGINS } = process.env;
  const object = (className: string) => ({ className, useSQLite: true });
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      name: 'tributary',
      host,
      port,
      cf: false,
      log: new Log(LogLevel.WARN),
      modules: [
        { type: 'ESModule', path: join(worker, 'index.js') },
        { type: 'CompiledWasm', path: join(worker, 'kernel.wasm') },
      ],
      modulesRoot: worker,
      compatibilityDate: await compatibilityDate(),
      durableObjects: {
        JOB: object('JobObject'),
        DIRECTORY: object('DirectoryObject'),
        BLOB: object('BlobObject'),
      },
      serviceBindings: { ASSETS: { disk: { path: DASHBOARD, writable: false } } },
      bindings: {
        ...keys,
        ...(ALLOWED_ORIGINS === undefined ? {} : { ALLOWED_ORIGINS }),
      },
    }),
    resourcePersistencePath: join(data, 'state'),
  });

  // Miniflare ends the process on SIGINT, SIGTERM and SIGHUP; this comes last.
  process.on('exit', () => {
    release();
    unlock();
  });
  try {
    const url = await miniflare.ready;
    console.log(`ready on ${url.origin}, data in ${data}`);
  } catch (error) {
    console.error(`could not start: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}

await dev().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  console.error(`usage: ${USAGE}`);
  process.exit(1);
});
