// The page behind a join link where there is a (software) GPU: JSPI's build of ONNX Runtime, from the Worker's assets.
import { afterEach, describe, expect, test } from 'vitest';
import { onnxJob } from '../../cli/src/onnx-job.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { differentiate, mlp } from '../../core/onnx/index.ts';
import { everyReply, finished, repliesOf } from '../package/digits-job.ts';
import { whyNot } from './chromium.ts';
import { agree, setScene } from './worker-pages.ts';

const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

describe.skipIf(whyNot(true) !== '')('a device with a GPU joins by a link', () => {
  const scene = setScene(SOFTWARE_GPU);
  afterEach(() => scene.forget());

  test(`trains on WebGPU where a job insists on it${whyNot(true)}`, async () => {
    const { api } = scene;
    const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
    const programs = differentiate(mlp({ inputs: [1, 28, 28], classes: 10, hidden: [32], rng }), {
      loss: 'softmax-cross-entropy',
      optimizer: { name: 'sgd' },
      target: 'webgpu',
    });
    if (!programs.ok) throw new Error(JSON.stringify(programs.error));
    const { spec, model } = onnxJob(programs.value, {
      name: 'digits on a GPU',
      seed: 7,
      minSites: 1,
      rounds: 1,
      epochs: 1,
      batchSize: 32,
      lr: 0.05,
      transferType: 'DIFF',
      device: 'webgpu',
    });
    const { train, evaluate } = programs.value;
    for (const bytes of [model, train.model, evaluate.model]) await api.blob(bytes);
    const job = await api.submit(spec);
    const { page, complaints } = await scene.visit(await scene.link());
    await agree(page, 'gpu');
    const view = await finished(api, job);
    expect(view.status, `${view.reason} ${await page.textContent('#log')}`).toBe(
      'FINISHED:COMPLETED',
    );
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 1 }, ['gpu']));
    expect(complaints).toEqual([]);
    const sites = await api.json<{ sites: { capabilities: object }[] }>('/v1/sites', 200);
    expect(sites.sites[0]?.capabilities).toMatchObject({ runtime: 'browser', webgpu: true });
  });
});
