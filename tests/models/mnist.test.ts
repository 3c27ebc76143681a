/** All of MNIST: the small CNN reads 99 of 100 digits that it has not seen. */
import * as ort from 'onnxruntime-web';
import { expect, test } from 'vitest';
import { cosine, Trainer } from '../../client-kit/src/onnx.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { digits } from '../../client-kit/tests/digits.ts';
import { cnn } from '../../core/onnx/models/cnn.ts';
import { differentiate } from '../../core/onnx/differentiate.ts';
import { describeFault } from '../../core/onnx/fault.ts';

const LONG = process.env['TRIBUTARY_LONG'] === '1';
const EPOCHS = 4;

test.skipIf(!LONG)(
  `60,000 digits, ${EPOCHS} epochs: 99 % on the test set${LONG ? '' : ' (long: TRIBUTARY_LONG=1)'}`,
  { timeout: 600_000 },
  async () => {
    ort.env.wasm.numThreads = 1;
    const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
    const model = cnn({ inputs: [1, 28, 28], channels: [16, 32], classes: 10, rng });
    const optimizer = { name: 'adam' } as const;
    const programs = differentiate(model, { loss: 'softmax-cross-entropy', optimizer });
    if (!programs.ok) throw new Error(describeFault(programs.error));
    const trainer = await Trainer.load(ort, programs.value, { device: 'wasm' });
    const dataset = digits('train', 0, 60_000);
    await trainer.train({ dataset, batchSize: 64, epochs: EPOCHS, seed: 1, lr: cosine(0.002) });
    const judged = await trainer.evaluate(digits('t10k', 0, 10_000));
    await trainer.release();
    expect(judged.examples).toBe(10_000);
    expect(judged.mean('accuracy')).toBeGreaterThanOrEqual(0.99);
  },
);
