// Contestants in a real Chromium: each has a tab of its own, on a page that may have threads.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { build } from 'esbuild';
import { openBrowser } from '../../tests/browser/chromium.ts';
import type { Contestant } from './contestant.ts';
import type { ModelName } from './models.ts';
import type { PageContestant } from './page.ts';
import type { Report } from './round.ts';

const PEERS = join(import.meta.dirname, 'peers/node_modules');
const ORT = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** The page, as files by path. */
const bundled = async (peers: boolean): Promise<ReadonlyMap<string, Uint8Array>> => {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'page.ts')],
    bundle: true,
    splitting: true,
    format: 'esm',
    outdir: '/',
    write: false,
    logLevel: 'error',
    nodePaths: [PEERS],
    mainFields: ['browser', 'module', 'main'],
    // Asked for only where there is no browser.
    external: [
      ...(peers ? [] : ['@jax-js/*', '@tensorflow/*']),
      'fs',
      'path',
      'util',
      'crypto',
      'worker_threads',
      'perf_hooks',
      'os',
    ],
  });
  return new Map(outputFiles.map(({ path, contents }) => [path, contents]));
};

export interface Chromium {
  start(who: PageContestant, model: ModelName, batch: number, lr?: number): Promise<Contestant>;
  close(): Promise<void>;
}

/** `peers: false` leaves those out that the bench installs. */
export const openChromium = async ({ peers = true } = {}): Promise<Chromium> => {
  const files = await bundled(peers);
  const page = '<!doctype html><title>bench</title><script type="module" src="/page.js"></script>';
  const read = async (path: string): Promise<Uint8Array | string> => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (path === '/') return page;
    if (path.startsWith('/ort/')) return await readFile(join(ORT, name));
    if (path.startsWith('/tfjs/'))
      return await readFile(join(PEERS, '@tensorflow/tfjs-backend-wasm/dist', name));
    return files.get(path) ?? Promise.reject(new Error(`no ${path}`));
  };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://page').pathname;
    read(path).then(
      (body) => {
        response.writeHead(200, {
          'content-type': TYPES[extname(path) || '.html'] ?? 'application/octet-stream',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-embedder-policy': 'require-corp',
        });
        response.end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const browser = await openBrowser(SOFTWARE_GPU);
  return {
    async start(who, model, batch, lr = 0.01) {
      const tab = await browser.context.newPage();
      tab.setDefaultTimeout(0);
      await tab.goto(`http://127.0.0.1:${address.port}/`);
      await tab.waitForFunction('globalThis.setUp !== undefined');
      await tab.evaluate(
        `setUp(${JSON.stringify(who)}, ${JSON.stringify(model)}, ${batch}, ${lr})`,
      );
      return {
        about: '',
        round: (steps) => tab.evaluate<Report>(`run(${steps})`),
        stop: () => tab.close(),
      };
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
};
