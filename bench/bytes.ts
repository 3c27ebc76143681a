// Speed and memory of bulk bytes on bare workerd: node bench/bytes.ts [--mb 100] [--sites 8]
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { encode } from '../core/tensors/safetensors.ts';
import type { Tensors } from '../core/tensors/tensor.ts';
import { machine, median, table } from './machine.ts';
import { productRows } from './product-bytes.ts';

// The binary itself: `.bin/workerd` is a wrapper, which a SIGKILL would orphan.
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };

const { values: options } = parseArgs({
  options: { mb: { type: 'string' }, sites: { type: 'string' }, port: { type: 'string' } },
});
const MB = Number(options.mb ?? 100);
const SITES = Number(options.sites ?? 8);
const PORT = Number(options.port ?? 8917);
const MiB = 2 ** 20;

/** A model of `MB` MiB in float32 tensors of 4 MiB, filled with small numbers. */
const model = (shift: number, metadata?: ReadonlyMap<string, string>): Buffer => {
  const tensors: Tensors = new Map();
  for (let left = MB * MiB, n = 0; left > 0; left -= 4 * MiB, n++) {
    const data = new Float32Array(Math.min(left, 4 * MiB) / 4);
    for (let i = 0; i < data.length; i++)
      data[i] = ((i * 2654435761 + n + shift) % 2001) / 1000 - 1;
    tensors.set(`layer${n}.weight`, { dtype: 'F32', shape: [data.length], data });
  }
  return Buffer.from(encode(tensors, metadata).buffer);
};

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends a body in pieces of 1 MiB and gives the answer's JSON; a GET's body is counted and dropped. */
const call = (
  method: string,
  path: string,
  body?: Buffer,
): Promise<{ bytes: number; json: unknown }> =>
  new Promise((resolve, reject) => {
    const headers = body
      ? { 'content-length': body.length, 'content-type': 'application/x-safetensors' }
      : {};
    const sent = request(
      { host: '127.0.0.1', port: PORT, method, path, agent, headers },
      (answer) => {
        let bytes = 0;
        let text = '';
        answer.on('data', (piece: Buffer) => {
          bytes += piece.length;
          if (method !== 'GET') text += piece;
        });
        answer.on('end', () => {
          if (answer.statusCode !== 200)
            reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          else resolve({ bytes, json: text === '' ? null : JSON.parse(text) });
        });
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    if (!body) {
      sent.end();
      return;
    }
    let at = 0;
    const write = (): void => {
      for (; at < body.length;) {
        const piece = body.subarray(at, at + MiB);
        at += piece.length;
        if (sent.write(piece)) continue;
        sent.once('drain', write);
        return;
      }
      sent.end();
    };
    write();
  });

const speed = async (bytes: number, action: () => Promise<unknown>): Promise<number> => {
  const start = performance.now();
  await action();
  return bytes / 1e6 / ((performance.now() - start) / 1000);
};

/** Runs an action several times. -> its speeds in MB/s */
const speeds = async (
  n: number,
  bytes: number,
  action: () => Promise<unknown>,
): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < n; i++) all.push(await speed(bytes, action));
  return all;
};

const rows: string[][] = [['', 'best MB/s', 'median', 'VmHWM MB', 'bar']];
const measured = async (what: string, all: readonly number[], bar: string): Promise<void> => {
  const numbers = all.length > 0 ? [Math.max(...all).toFixed(0), median(all).toFixed(0)] : ['', ''];
  rows.push([what, ...numbers, (await memory()).toFixed(0), bar]);
};

const folder = await mkdtemp(join(tmpdir(), 'tributary-bytes-'));
await build({
  entryPoints: [join(import.meta.dirname, 'bytes-worker.ts')],
  outfile: join(folder, 'worker.js'),
  bundle: true,
  format: 'esm',
  external: ['node:*', 'cloudflare:*'],
  loader: { '.wasm': 'copy' },
  assetNames: '[name]',
  logLevel: 'error',
});
const [wasm = ''] = /[\w-]+\.wasm/.exec(await readFile(join(folder, 'worker.js'), 'utf8')) ?? [];
await writeFile(
  join(folder, 'config.capnp'),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .bytes), (name = "rows", disk = (path = "${folder}", writable = true)) ],
  sockets = [ (name = "http", address = "127.0.0.1:${PORT}", service = "main") ] );
const bytes :Workerd.Worker = (
  modules = [ (name = "worker.js", esModule = embed "worker.js"), (name = "./${basename(wasm)}", wasm = embed "${wasm}") ],
  compatibilityDate = "2026-10-20",
  durableObjectNamespaces = [ (className = "BytesObject", uniqueKey = "bytes", enableSql = true) ],
  durableObjectStorage = (localDisk = "rows"),
  bindings = [ (name = "BYTES", durableObjectNamespace = "BytesObject") ] );`,
);

const server = spawn(workerd, ['serve', join(folder, 'config.capnp')], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
const memory = async (): Promise<number> => {
  const [, kB] = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8')) ?? [];
  return Number(kB) / 1024;
};
try {
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://127.0.0.1:${PORT}/`).catch(() => undefined);
    if (up) break;
    if (tries > 100) throw new Error('workerd does not answer');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const base = model(0);
  const digest = `sha256-${createHash('sha256').update(base).digest('hex')}`;
  const flModel = JSON.stringify({ params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: 1 } });
  const update = model(1, new Map([['fl_model', flModel]]));
  await measured('idle', [], 'memory: 128');
  await call('PUT', `/models/${digest}`, base);

  const uploads: string[] = [];
  let site = 0;
  const upload = async (): Promise<void> => {
    const { json } = await call('PUT', `/results/s${site++}/${digest}`, update);
    uploads.push((json as { upload: string }).upload);
  };
  const together = (): Promise<unknown> => Promise.all(Array.from({ length: SITES }, upload));
  await measured(`upload, ${SITES} at once`, [await speed(SITES * update.length, together)], '150');
  await measured('upload, one at a time', await speeds(5, update.length, upload), '100');

  const input = uploads.slice(0, SITES).join(',');
  const fold = () => call('POST', `/fold/${input}/${digest}`);
  await measured('fold of input', await speeds(5, SITES * MB * MiB, fold), 'best 1000, median 800');

  const get = () => call('GET', `/models/${digest}`);
  await measured('download, one at a time', await speeds(3, base.length, get), '');
  const all = () => Promise.all(Array.from({ length: SITES }, get));
  await measured(`download, ${SITES} at once`, [await speed(SITES * base.length, all)], '');

  console.log(machine('workerd'));
  console.log(`a model of ${MB} MiB of float32, ${SITES} sites; all checks of a result on\n`);
  console.log(table(rows));
} finally {
  server.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}

console.log(
  '\nthe whole server, every request through the front door; memory from its start, bar 128 MB\n',
);
console.log(table([['', 'MB/s', 'VmHWM MB'], ...(await productRows(MB, SITES))]));
