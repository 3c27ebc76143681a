import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ADMIN, startServer } from '../../../tests/http/server.ts';
import type { Server } from '../../../tests/http/server.ts';
import { Admin } from '../digits-job.ts';
import { digits } from '../digits.ts';
import { CHROMIUM, openPage, serveProject } from './chromium.ts';
import { ROOT, Stranger } from './stranger.ts';

const run = promisify(execFile);
let stranger: Stranger;
let project: Awaited<ReturnType<typeof serveProject>>;
let server: Server;

beforeAll(async () => {
  stranger = new Stranger();
  const { x, y } = digits('train', 0, 1000);
  stranger.write('public/images.bin', x.data as Uint8Array);
  stranger.write('public/labels.bin', new Uint8Array(y));
  stranger.write('page.js', await readFile(join(import.meta.dirname, 'page.js'), 'utf8'));
  stranger.write('index.html', '<!doctype html><script type="module" src="/page.js"></script>');
  project = await serveProject(stranger);
  server = await startServer({ env: { ALLOWED_ORIGINS: project.origin } });
}, 180_000);
afterAll(async () => {
  await server.stop();
  await project.close();
  stranger.remove();
});

/** Runs a program of the stranger's; gives its last line as JSON. */
const node = async (
  name: string,
  source: string,
  env: Record<string, string>,
): Promise<unknown> => {
  const path = stranger.write(name, source);
  const { stdout } = await run(process.execPath, [path], {
    cwd: stranger.dir,
    env: { ...process.env, SERVER: server.url, ...env },
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
};

test('a stranger’s project trains digits with runSite', async () => {
  const admin = new Admin(server.url, ADMIN);
  const job = await admin.submitDigits(2);
  const program = `
    import { readFileSync } from 'node:fs';
    import { runSite } from '@tributary/client-kit/node';
    const stop = new AbortController();
    const seen = [];
    await runSite({
      server: process.env.SERVER,
      enrolment: process.env.ENROLMENT,
      name: 'stranger',
      dataDir: 'site',
      signal: stop.signal,
      data: () => ({
        x: { data: new Uint8Array(readFileSync('public/images.bin')), shape: [1000, 1, 28, 28] },
        y: Int32Array.from(readFileSync('public/labels.bin')),
      }),
      onEvent: (event) => {
        if (event.type === 'evaluated' && event.model === 'local') seen.push(event.metrics.accuracy);
        if (event.type === 'job-ended') stop.abort();
      },
    });
    console.log(JSON.stringify(seen));
  `;
  const seen = await node('site.mjs', program, { ENROLMENT: await admin.enrolment() });
  const view = await admin.finished(job);
  expect(view.status).toBe('FINISHED:COMPLETED');
  const accuracies = (seen as { sum: number; count: number }[]).map(
    ({ sum, count }) => sum / count,
  );
  expect(accuracies).toHaveLength(2);
  expect(accuracies[1]).toBeGreaterThan(0.75);
});

test('a stranger’s own loop, three lines long, with the Client API', async () => {
  const admin = new Admin(server.url, ADMIN);
  const { encode } = await import('../../../core/tensors/safetensors.ts');
  const data = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
  const model = await admin.blob(encode(new Map([['w', { dtype: 'F32', shape: [3, 3], data }]])));
  const job = await admin.submit({
    name: 'hello-numpy',
    model,
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 3, minResponses: 1 } }],
    executors: [{ tasks: ['*'], use: 'app' }],
  });
  const program = `
    import { encode, init } from '@tributary/client-kit';
    const { SERVER: server, ENROLMENT: enrolment } = process.env;
    const client = await init({ server, enrolment, name: 'loop' });
    while (await client.isRunning()) {
      const { params = new Map() } = (await client.receive()) ?? {};
      for (const { data } of params.values()) for (let i = 0; i < data.length; i++) data[i]++;
      await client.send(client.isTrain() ? { params, metrics: { loss: 0 } } : { metrics: { loss: 0 } });
    }
    await client.shutdown();
    console.log(JSON.stringify('done'));
  `;
  const enrolment = await admin.enrolment();
  expect(await node('loop.mjs', program, { ENROLMENT: enrolment })).toBe('done');
  const view = await admin.finished(job);
  expect(view.status).toBe('FINISHED:COMPLETED');
  const plusThree = encode(
    new Map([['w', { dtype: 'F32', shape: [3, 3], data: data.map((value) => value + 3) }]]),
  );
  expect(view.models['global']?.digest).toBe(await admin.blob(plusThree));
});

test('its types hold in a strict project that checks them', async () => {
  stranger.write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        target: 'es2022',
        module: 'nodenext',
        lib: ['es2023', 'dom', 'dom.asynciterable'],
        types: [],
        strict: true,
        noEmit: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
      },
      files: ['types.ts'],
    }),
  );
  stranger.write(
    'types.ts',
    `
    import { init } from '@tributary/client-kit';
    import type { Dataset, FLModel, SiteEvent } from '@tributary/client-kit';
    import { IndexedDbStore } from '@tributary/client-kit/browser';
    import { runSite } from '@tributary/client-kit/node';
    import { train } from '@tributary/client-kit/onnx';
    const data: Dataset = { x: { data: new Uint8Array(1), shape: [1, 1] }, y: new Int32Array(1) };
    const show = (event: SiteEvent): string => (event.type === 'step' ? String(event.loss) : event.type);
    const client = await init({ server: 'https://fl.example.org', name: 'a', store: new IndexedDbStore() });
    const model: FLModel | undefined = await client.receive();
    await runSite({ server: 'https://fl.example.org', dataDir: 'd', data: () => data, onEvent: show });
    // @ts-expect-error -- a number is no server
    await runSite({ server: 1, dataDir: 'd' });
    export { model, train };
    `,
  );
  await expect(
    run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', stranger.dir]).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout);
    }),
  ).resolves.toMatchObject({ stdout: '' });
});

test.skipIf(CHROMIUM === undefined)(
  'a page of another origin trains in Chromium; reloaded in mid-training, it ends with the same digest',
  async () => {
    const admin = new Admin(server.url, ADMIN);
    const { page, said, until, close } = await openPage();
    onTestFinished(close);
    const query = new URLSearchParams({
      server: server.url,
      enrolment: await admin.enrolment(),
      wasm: `/@fs${ROOT}/node_modules/onnxruntime-web/dist/`,
    });
    const rough = await admin.submitDigits(2, { epochs: 4 });
    await page.goto(`${project.url}?${query.toString()}`);
    await until(({ type, round }) => type === 'step' && round === 1);
    const before = said.length;
    await page.reload();
    // Submitted now: the page sees it while it still asks every second for jobs. The two take turns.
    const other = await admin.submitDigits(2, { epochs: 4 });
    const first = await admin.finished(rough);
    await until(({ type }) => type === 'job-ended', before);
    expect(first.status).toBe('FINISHED:COMPLETED');
    // The reloaded page has its token from IndexedDB: the enrolment was good for one site.
    expect(said.slice(before).map(({ type }) => type)).toContain('joined');
    const calm = await admin.finished(other);
    expect(calm.status).toBe('FINISHED:COMPLETED');
    expect(first.models['global']?.digest).toBe(calm.models['global']?.digest);
    expect(first.metrics['accuracy']).toBeGreaterThan(0.75);
    expect(said.filter(({ type }) => type === 'failed')).toEqual([]);
  },
  120_000,
);
